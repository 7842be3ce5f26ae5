-- One row is one row of that file of any baseline. The variable lets a session say where the files moved to.
select $columns
from read_parquet(
    coalesce(getvariable('devperf_samples')::varchar, $folder) || '/baseline_id=*/' || $file,
    hive_partitioning = true,
    hive_types = {'baseline_id': varchar}
)
