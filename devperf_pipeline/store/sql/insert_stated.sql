-- One row of the files is one row of the table; the baseline is the folder that a file is in.
insert into stated by name
select
    baseline_id,
    * exclude (baseline_id, began_at_ns, about),
    make_timestamptz(began_at_ns // 1000) as began_at,
    map_from_entries(about) as about
from read_parquet($files, hive_partitioning = true, hive_types = {'baseline_id': varchar})
