-- One row is one sustained benchmark: the rest of the ladder of percentiles (nearest rank over every call), how calls
-- ended, and when the first answer came that said the service is not well.
with grouped as (
    select
        benchmark,
        count(*) filter (outcome in (1, 5, 6)) as non_success,
        min(begin_ns + latency_ns) filter (outcome = 7) / 1e9 as degraded_from_s,
        quantile_disc(latency_ns, [0.66, 0.75, 0.8, 0.98]) as quantiles
    from read_parquet($file, hive_partitioning = false)
    where split_part(benchmark, '/', 3) like 'sustained-%'
    group by benchmark
)
select
    * exclude (quantiles),
    quantiles[1]::bigint as p66_ns,
    quantiles[2]::bigint as p75_ns,
    quantiles[3]::bigint as p80_ns,
    quantiles[4]::bigint as p98_ns
from grouped
