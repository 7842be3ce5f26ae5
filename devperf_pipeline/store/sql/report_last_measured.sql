-- One row is one service and one stage of a run: the newest baseline of this one's stack, up to this one, that measured it.
with made as (
    select service, 'samples' as stage, baseline_id from percentiles where starts_with(load, 'closed-')
    union all
    select service, 'load_tests', baseline_id from load_tests
    union all
    select split_part(service, '/', 1), 'resources', baseline_id from resources
    union all
    select service, 'tools', baseline_id from stated
)
select m.service, m.stage, max(m.baseline_id) as baseline_id
from made as m
join baselines as b using (baseline_id)
where b.stack = (select stack from baselines where baseline_id = $baseline_id) and m.baseline_id <= $baseline_id
group by m.service, m.stage
order by m.service, m.stage
