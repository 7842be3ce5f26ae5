-- One row is the engine's reading, at one user, of a route that a reference API answered in that baseline;
-- `aggregation` is how that API asks several dependencies.
select
    p.service,
    p.title as route,
    p.n,
    p.valid,
    p.invalid_reason,
    p.placement,
    p.p50_ns::bigint as p50_ns,
    p.p95_ns::bigint as p95_ns,
    p.p95_low_ns::bigint as p95_low_ns,
    p.p95_high_ns::bigint as p95_high_ns,
    i.value as aggregation
from percentiles as p
join answers as a on a.baseline_id = p.baseline_id and a.service = p.service and a.route = p.title
left join infrastructure as i
    on i.baseline_id = p.baseline_id and i.service = p.service and i.key = 'aggregation'
where p.baseline_id = $baseline_id and p.instrument = 'engine' and p.load = 'closed-1'
order by p.position, p.service
