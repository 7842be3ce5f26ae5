-- One row is one figure that says what one benchmark has more than another of the same baseline.
with chosen as (
    select baseline_id, service, operation, benchmark, mean_ns, p95_ns
    from percentiles
    where valid and instrument = 'engine' and load = 'closed-1'
),
counted as (
    select *, min(p95_ns) over (partition by baseline_id) as least_ns
    from chosen
    where operation = 'get-health-all' and kind_of(service) in ('gin', 'fastapi', 'express', 'fastapi_api_first')
),
redirected as (
    select
        baseline_id,
        any_value(benchmark) filter (operation = 'cross-slot') as benchmark,
        any_value(mean_ns) filter (operation = 'cross-slot')
            - any_value(mean_ns) filter (operation = 'get-distributed') as mean_ns,
        any_value(p95_ns) filter (operation = 'cross-slot')
            - any_value(p95_ns) filter (operation = 'get-distributed') as p95_ns
    from chosen
    where kind_of(service) = 'redis_cluster'
    group by baseline_id, service
)
select
    baseline_id,
    'benchmark' as kind,
    benchmark as name,
    'slower_percent' as measure,
    100 * (p95_ns / least_ns - 1) as value,
    null::varchar as text,
    null::varchar as reason
from counted
union all
select baseline_id, 'added', benchmark, 'mean_ns', mean_ns, null, null
from redirected
where benchmark is not null
union all
select baseline_id, 'added', benchmark, 'p95_ns', p95_ns, null, null
from redirected
where benchmark is not null
