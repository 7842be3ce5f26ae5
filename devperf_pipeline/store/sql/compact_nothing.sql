-- No row at all, with the columns of samples: for a baseline in which nothing could be measured.
copy (
    select
        null::varchar as baseline_id,
        null::varchar as benchmark,
        null::integer as round,
        null::bigint as end_ns,
        null::bigint as latency_ns,
        null::tinyint as outcome
    where false
) to $target (format parquet, parquet_version v2, compression zstd, compression_level 3)
