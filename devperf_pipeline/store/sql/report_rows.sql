-- One row is one benchmark of the baseline's stack as it stood then: its newest valid measurement up to that baseline,
-- and beside it what this baseline measured and found invalid. Sustained loads and reference tools are not among them.
with chosen as (
    select baseline_id, stack from baselines where baseline_id = $baseline_id
),
lasted as (
    select baseline_id, benchmark, sum(elapsed_ns)::bigint as elapsed_ns
    from rounds
    group by baseline_id, benchmark
)
select
    p.baseline_id,
    p.baseline_id = c.baseline_id as is_new,
    p.service,
    p.operation,
    p.title,
    p.benchmark,
    p.instrument,
    p.users,
    p.n,
    p.errors,
    p.valid,
    p.invalid_reason,
    p.rounds,
    p.throughput_per_s,
    p.mean_ns::bigint as mean_ns,
    p.p50_ns::bigint as p50_ns,
    p.p95_ns::bigint as p95_ns,
    p.p99_ns::bigint as p99_ns,
    p.p999_ns::bigint as p999_ns,
    p.max_ns::bigint as max_ns,
    p.p95_low_ns::bigint as p95_low_ns,
    p.p95_high_ns::bigint as p95_high_ns,
    p.p95_bounds,
    p.floor_p50_ns::bigint as floor_p50_ns,
    p.periods,
    p.throttled_periods,
    p.busy_rounds,
    p.placement,
    l.elapsed_ns,
    epoch_ns(p.measured_at) as measured_at_ns
from percentiles as p
join baselines as b using (baseline_id)
left join lasted as l using (baseline_id, benchmark)
cross join chosen as c
where b.stack = c.stack and p.load like 'closed-%' and p.instrument in ('engine', 'driver')
    and (p.baseline_id = c.baseline_id or (p.valid and p.baseline_id < c.baseline_id))
qualify not p.valid or row_number() over (partition by p.benchmark, p.valid order by p.baseline_id desc) = 1
order by p.service, p.position, p.operation, p.users, p.instrument desc, p.valid desc
