-- One row is one call; parts are read in the order of the list, and calls of a part come in the order of their begin.
-- Plain numbers under zstd at this level took less than DELTA_BINARY_PACKED, and every reader of Parquet has them.
copy (
    with places as (
        select unnest($parts::varchar[]) as filename, generate_subscripts($parts::varchar[], 1) as part
    )
    select
        baseline_id,
        split_part(benchmark, '/', 1) as service,
        benchmark,
        round,
        end_ns - latency_ns as begin_ns,
        latency_ns,
        outcome
    from read_parquet($parts, hive_partitioning = false, filename = true, file_row_number = true)
    join places using (filename)
    order by part, begin_ns, file_row_number
) to $target (format parquet, compression zstd, compression_level 9, dictionary_size_limit 1000, row_group_size 100000)
