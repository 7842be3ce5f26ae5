-- One row is one call; parts are read in the order of the list, and rows keep it.
copy (
    select baseline_id, benchmark, round, end_ns, latency_ns, outcome
    from read_parquet($parts, hive_partitioning = false)
) to $target (format parquet, parquet_version v2, compression zstd, compression_level 3, row_group_size 100000)
