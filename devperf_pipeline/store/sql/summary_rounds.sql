-- One row is one round of a benchmark: exact percentiles (nearest rank) over every call, failed ones included.
with calls as (
    select
        benchmark,
        round,
        step_0 + step_1 * 256::bigint + step_2 * 65536 as step_ns,
        latency_0 + latency_1 * 256::bigint + latency_2 * 65536 as latency_ns,
        outcome
    from read_parquet($file, hive_partitioning = false)
),
grouped as (
    select
        benchmark,
        round,
        count(*) as n,
        count(*) filter (outcome = 0) as ok,
        sum(step_ns)::hugeint as last_end_ns,
        sum(latency_ns)::hugeint as latency_sum_ns,
        min(latency_ns)::bigint as min_ns,
        max(latency_ns)::bigint as max_ns,
        quantile_disc(latency_ns, [0.5, 0.9, 0.95, 0.99, 0.999]) as quantiles
    from calls
    group by benchmark, round
)
select
    benchmark,
    round,
    n,
    ok,
    n - ok as errors,
    latency_sum_ns,
    latency_sum_ns / n as mean_ns,
    min_ns,
    quantiles[1] as p50_ns,
    quantiles[2] as p90_ns,
    quantiles[3] as p95_ns,
    quantiles[4] as p99_ns,
    quantiles[5] as p999_ns,
    max_ns
from grouped
