-- One row is one call of the file, measured or made to warm up, failed ones included.
-- The variable lets a session say where the files moved to.
-- Files hold steps from end to end and numbers in bytes (compact_parts.sql); the running sum of steps costs
-- something only where begin_ns is asked for.
with calls as (
    select
        baseline_id,
        benchmark,
        round,
        step_0 + step_1 * 256::bigint + step_2 * 65536 as step_ns,
        latency_0 + latency_1 * 256::bigint + latency_2 * 65536 as latency_ns,
        outcome,
        file_row_number
    from read_parquet(
        coalesce(getvariable('devperf_samples')::varchar, $folder) || '/baseline_id=*/' || $file,
        hive_partitioning = true,
        hive_types = {'baseline_id': varchar},
        file_row_number = true
    )
)
select
    baseline_id,
    split_part(benchmark, '/', 1) as service,
    benchmark,
    round,
    sum(step_ns) over (
        partition by baseline_id, benchmark, round order by file_row_number rows unbounded preceding
    )::bigint - latency_ns as begin_ns,
    latency_ns,
    outcome
from calls
