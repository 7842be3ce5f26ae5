-- One row would be one reading of one service's processes; there is none yet.
create view resource_samples as
select
    null::varchar as baseline_id,
    null::varchar as service,
    null::varchar as category,
    null::varchar as phase,
    null::varchar as benchmark,
    null::integer as users,
    null::bigint as at_ns,
    null::bigint as elapsed_ns,
    null::double as cpu_percent,
    null::bigint as rss_bytes,
    null::bigint as pss_bytes,
    null::bigint as vsz_bytes,
    null::integer as processes,
    null::integer as threads,
    null::integer as descriptors,
    null::bigint as read_bytes,
    null::bigint as written_bytes,
    null::bigint as received_bytes,
    null::bigint as sent_bytes,
    null::bigint as limit_bytes,
    null::integer as oom_kills,
    null::varchar as source
where false
