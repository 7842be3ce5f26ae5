-- One row is one baseline whose samples are not as many as its benchmarks have calls.
select
    b.baseline_id as source,
    'baselines' as place,
    'sum against total' as rule,
    sum(p.n)::double as expected,
    b.samples::double as found,
    format('its benchmarks have {} calls, its row says {}', sum(p.n), b.samples) as sentence
from baselines as b
join percentiles as p using (baseline_id)
group by b.baseline_id, b.samples
having sum(p.n) <> b.samples
