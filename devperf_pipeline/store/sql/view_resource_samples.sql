-- One row is one reading of one service's processes. The variable lets a session say where the files moved to.
select
    baseline_id,
    service,
    category,
    phase,
    benchmark,
    users,
    at_ns,
    elapsed_ns,
    cpu_percent,
    rss_bytes,
    pss_bytes,
    vsz_bytes,
    processes,
    threads,
    descriptors,
    read_bytes,
    written_bytes,
    received_bytes,
    sent_bytes,
    limit_bytes,
    oom_kills,
    source
from read_parquet(
    coalesce(getvariable('devperf_samples')::varchar, $folder) || '/baseline_id=*/' || $file,
    hive_partitioning = true,
    hive_types = {'baseline_id': varchar}
)
