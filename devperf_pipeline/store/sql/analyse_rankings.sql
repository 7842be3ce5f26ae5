-- One row is one implementation of one route of a baseline, routes as they were measured, the first of each first.
select route, service, why_not, n, p50_ns, p95_ns, p95_low_ns, p95_high_ns
from rankings
where baseline_id = $baseline_id
order by position nulls last, route, place nulls last, service
