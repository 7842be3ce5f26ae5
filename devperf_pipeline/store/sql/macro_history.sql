-- One row is one baseline in which the benchmark was measured, oldest first, with its p50 against the last like it.
create macro history(of_benchmark) as table
with told as (
    select
        p.*,
        b.stack,
        s.product,
        lag(p.p50_ns) over alike as before_p50_ns
    from percentiles as p
    join baselines as b using (baseline_id)
    left join services as s on s.baseline_id = p.baseline_id and s.service = p.service
    where p.benchmark = of_benchmark
    window alike as (
        partition by b.stack, p.valid, split_part(p.placement, ':', 1) order by p.baseline_id
    )
)
select
    baseline_id,
    measured_at,
    stack,
    product,
    n,
    errors,
    throughput_per_s,
    p50_ns / 1e6 as p50_ms,
    p95_ns / 1e6 as p95_ms,
    p95_low_ns / 1e6 as p95_low_ms,
    p95_high_ns / 1e6 as p95_high_ms,
    p99_ns / 1e6 as p99_ms,
    max_ns / 1e6 as max_ms,
    round(p50_ns / before_p50_ns, 3) as p50_ratio,
    placement,
    valid,
    invalid_reason
from told
order by baseline_id
