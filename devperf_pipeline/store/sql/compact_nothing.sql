-- One row would be one call; there is none: for a baseline in which nothing could be measured.
copy (
    select
        null::varchar as baseline_id,
        null::varchar as benchmark,
        null::integer as round,
        null::utinyint as step_0,
        null::utinyint as step_1,
        null::bigint as step_2,
        null::utinyint as latency_0,
        null::utinyint as latency_1,
        null::bigint as latency_2,
        null::tinyint as outcome
    where false
) to $target (format parquet, parquet_version v2, compression zstd, compression_level 3)
