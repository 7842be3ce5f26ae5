-- One row is one sustained benchmark: the rest of the ladder of percentiles (nearest rank over every call), how calls
-- ended, and when the first answer came that said the service is not well.
with calls as (
    select
        benchmark,
        latency_0 + latency_1 * 256::bigint + latency_2 * 65536 as latency_ns,
        outcome,
        sum(step_0 + step_1 * 256::bigint + step_2 * 65536) over (
            partition by benchmark, round order by file_row_number rows unbounded preceding
        ) as end_ns
    from read_parquet($file, hive_partitioning = false, file_row_number = true)
    where split_part(benchmark, '/', 3) like 'sustained-%'
),
grouped as (
    select
        benchmark,
        count(*) filter (outcome <> 0) as failed,
        count(*) filter (outcome in (1, 5, 6)) as non_success,
        min(end_ns) filter (outcome = 7) / 1e9 as degraded_from_s,
        quantile_disc(latency_ns, [0.66, 0.75, 0.8, 0.98]) as quantiles
    from calls
    group by benchmark
)
select
    * exclude (quantiles),
    quantiles[1]::bigint as p66_ns,
    quantiles[2]::bigint as p75_ns,
    quantiles[3]::bigint as p80_ns,
    quantiles[4]::bigint as p98_ns
from grouped
