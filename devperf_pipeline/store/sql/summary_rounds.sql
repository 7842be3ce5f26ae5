-- One row is one round of a benchmark: exact percentiles (nearest rank) over every call, failed ones included.
with grouped as (
    select
        benchmark,
        round,
        count(*) as n,
        count(*) filter (outcome = 0) as ok,
        max(end_ns)::bigint as last_end_ns,
        sum(latency_ns)::hugeint as latency_sum_ns,
        min(latency_ns)::bigint as min_ns,
        max(latency_ns)::bigint as max_ns,
        quantile_disc(latency_ns::bigint, [0.5, 0.9, 0.95, 0.99, 0.999]) as quantiles
    from read_parquet($file, hive_partitioning = false)
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
