-- One row is one call; parts are read in the order of the list, and rows keep it.
-- A number is stored as its lowest byte, the next one, and the rest: the upper bytes repeat and pack well, the lowest
-- is noise. Together with steps from end to end in the place of ends this takes a fifth less.
copy (
    with places as (
        select unnest($parts::varchar[]) as filename, generate_subscripts($parts::varchar[], 1) as part
    ),
    calls as (
        select
            baseline_id,
            benchmark,
            round,
            end_ns - lag(end_ns, 1, 0) over (
                partition by filename order by file_row_number
            ) as step_ns,
            latency_ns,
            outcome,
            filename,
            file_row_number
        from read_parquet($parts, hive_partitioning = false, filename = true, file_row_number = true)
    )
    select
        baseline_id,
        benchmark,
        round,
        (step_ns & 255)::utinyint as step_0,
        ((step_ns >> 8) & 255)::utinyint as step_1,
        step_ns >> 16 as step_2,
        (latency_ns & 255)::utinyint as latency_0,
        ((latency_ns >> 8) & 255)::utinyint as latency_1,
        latency_ns >> 16 as latency_2,
        outcome
    from calls
    join places using (filename)
    order by part, file_row_number
) to $target (format parquet, parquet_version v2, compression zstd, compression_level 3, row_group_size 100000)
