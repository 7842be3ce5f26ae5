-- One row is one service and one stage of a run: the newest baseline of that stack that measured it. The row of no
-- service and the stage 'baseline' is the newest baseline itself.
with made as (
    select '' as service, 'baseline' as stage, baseline_id from baselines
    union all
    select service, 'samples', baseline_id from percentiles where starts_with(load, 'closed-')
    union all
    select service, 'load_tests', baseline_id from load_tests
    union all
    select split_part(service, '/', 1), 'resources', baseline_id from resources
    union all
    select service, 'tools', baseline_id from stated
)
select service, stage, max(baseline_id) as baseline_id
from made
join baselines using (baseline_id)
where stack = $stack
group by service, stage
order by service, stage
