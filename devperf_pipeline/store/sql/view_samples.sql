-- One row is one measured call, failed ones included. The variable lets a session say where the files moved to.
create view samples as
select
    baseline_id,
    split_part(benchmark, '/', 1) as service,
    benchmark,
    round,
    end_ns - latency_ns as begin_ns,
    latency_ns,
    outcome
from read_parquet(
    coalesce(getvariable('devperf_samples')::varchar, $folder) || '/baseline_id=*/samples.parquet',
    hive_partitioning = true,
    hive_types = {'baseline_id': varchar}
)
