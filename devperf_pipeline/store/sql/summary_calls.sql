-- One row is one round of a benchmark, or with its rounds together one benchmark: exact percentiles (nearest rank) over
-- every call, failed ones included. How calls ended is told of benchmarks only: it is not asked of rounds, and costs time.
with grouped as (
    select
        benchmark,
        case when $by_round then round end as round,
        count(*) as n,
        count(*) filter (outcome = 0) as ok,
        count(*) filter (not $by_round and outcome = 1) as error,
        count(*) filter (not $by_round and outcome = 2) as wrong,
        count(*) filter (not $by_round and outcome = 3) as timeout,
        count(*) filter (not $by_round and outcome = 4) as lost,
        count(*) filter (not $by_round and outcome = 5) as limited,
        count(*) filter (not $by_round and outcome = 6) as redirected,
        count(*) filter (not $by_round and outcome = 7) as degraded,
        sum(latency_ns)::hugeint as latency_sum_ns,
        min(latency_ns)::bigint as min_ns,
        max(latency_ns)::bigint as max_ns,
        quantile_disc(latency_ns, [0.5, 0.9, 0.95, 0.99, 0.999]) as quantiles
    from read_parquet($file, hive_partitioning = false)
    group by all
)
select
    * exclude (quantiles),
    n - ok as errors,
    latency_sum_ns / n as mean_ns,
    quantiles[1] as p50_ns,
    quantiles[2] as p90_ns,
    quantiles[3] as p95_ns,
    quantiles[4] as p99_ns,
    quantiles[5] as p999_ns
from grouped
