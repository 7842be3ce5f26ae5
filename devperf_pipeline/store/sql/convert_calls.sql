-- One row is one call of a file of the first form, which held steps from end to end, and numbers split into bytes.
copy (
    with calls as (
        select
            baseline_id,
            benchmark,
            round,
            step_0 + step_1 * 256::bigint + step_2 * 65536 as step_ns,
            latency_0 + latency_1 * 256::bigint + latency_2 * 65536 as latency_ns,
            outcome,
            file_row_number
        from read_parquet($file, hive_partitioning = false, file_row_number = true)
    )
    select
        baseline_id,
        split_part(benchmark, '/', 1) as service,
        benchmark,
        round,
        sum(step_ns) over (
            partition by benchmark, round order by file_row_number rows unbounded preceding
        )::bigint - latency_ns as begin_ns,
        latency_ns,
        outcome
    from calls
    order by benchmark, round, begin_ns, file_row_number
) to $target (format parquet, compression zstd, compression_level 9, dictionary_size_limit 1000, row_group_size 100000)
