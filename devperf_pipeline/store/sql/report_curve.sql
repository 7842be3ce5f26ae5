-- One row is one point of a benchmark's percentile curve, from all its samples; the last one is its slowest call.
with curves as (
    select
        benchmark,
        count(*) as n,
        max(latency_ns) as max_ns,
        [
            0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995,
            0.999, 0.9995, 0.9999, 0.99995, 0.99999, 0.999995, 0.999999
        ] as shares,
        quantile_disc(latency_ns, [
            0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995,
            0.999, 0.9995, 0.9999, 0.99995, 0.99999, 0.999995, 0.999999
        ]) as latencies_ns
    from samples
    where baseline_id = $baseline_id and benchmark in (select unnest($benchmarks::varchar[]))
    group by benchmark
),
points as (
    select benchmark, n, unnest(shares) as share, unnest(latencies_ns) as latency_ns from curves
    union all
    select benchmark, n, 1.0, max_ns from curves
)
select benchmark, n, share, latency_ns::bigint as latency_ns
from points
where share <= 1 - 1 / n or share = 1
order by benchmark, share
