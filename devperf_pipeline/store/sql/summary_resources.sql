-- One row is what one service used in one phase under one load: medians over its readings; "total" is all of the stack.
with stack as (
    select * from read_parquet($file, hive_partitioning = false)
    where category not in ('host', 'measuring') and phase <> 'held'
),
-- A sum is told only where no part of it is missing.
totals as (
    select
        'total' as service,
        'total' as category,
        phase,
        benchmark,
        users,
        at_ns,
        max(elapsed_ns) as elapsed_ns,
        case when count(cpu_percent) = count(*) then sum(cpu_percent) end as cpu_percent,
        case when count(rss_bytes) = count(*) then sum(rss_bytes) end as rss_bytes,
        case when count(pss_bytes) = count(*) then sum(pss_bytes) end as pss_bytes,
        case when count(vsz_bytes) = count(*) then sum(vsz_bytes) end as vsz_bytes,
        case when count(processes) = count(*) then sum(processes) end as processes,
        case when count(threads) = count(*) then sum(threads) end as threads,
        case when count(descriptors) = count(*) then sum(descriptors) end as descriptors,
        case when count(read_bytes) = count(*) then sum(read_bytes) end as read_bytes,
        case when count(written_bytes) = count(*) then sum(written_bytes) end as written_bytes,
        case when count(received_bytes) = count(*) then sum(received_bytes) end as received_bytes,
        case when count(sent_bytes) = count(*) then sum(sent_bytes) end as sent_bytes,
        null as limit_bytes,
        case when count(oom_kills) = count(*) then sum(oom_kills) end as oom_kills,
        string_agg(distinct source, ', ' order by source) as source
    from stack
    group by phase, benchmark, users, at_ns
),
everything as (
    select * from read_parquet($file, hive_partitioning = false)
    union all by name
    select * from totals
)
select
    service::varchar as service,
    category::varchar as category,
    phase::varchar as phase,
    benchmark::varchar as benchmark,
    users::integer as users,
    count(*)::integer as readings,
    sum(elapsed_ns) / 1e9 as seconds,
    quantile_disc(cpu_percent, 0.05) as cpu_p5,
    quantile_disc(cpu_percent, 0.5) as cpu_p50,
    quantile_disc(cpu_percent, 0.95) as cpu_p95,
    sum(cpu_percent * elapsed_ns) / sum(elapsed_ns) as cpu_mean,
    quantile_disc(rss_bytes, 0.5)::bigint as rss_bytes,
    max(rss_bytes)::bigint as rss_max_bytes,
    quantile_disc(pss_bytes, 0.5)::bigint as pss_bytes,
    quantile_disc(vsz_bytes, 0.5)::bigint as vsz_bytes,
    quantile_disc(processes, 0.5)::integer as processes,
    quantile_disc(threads, 0.5)::integer as threads,
    quantile_disc(descriptors, 0.5)::integer as descriptors,
    (max(read_bytes) - min(read_bytes)) * 1e9 / nullif(max(at_ns) - min(at_ns), 0) as read_per_s,
    (max(written_bytes) - min(written_bytes)) * 1e9 / nullif(max(at_ns) - min(at_ns), 0) as written_per_s,
    (max(received_bytes) - min(received_bytes)) * 1e9 / nullif(max(at_ns) - min(at_ns), 0) as received_per_s,
    (max(sent_bytes) - min(sent_bytes)) * 1e9 / nullif(max(at_ns) - min(at_ns), 0) as sent_per_s,
    max(limit_bytes)::bigint as limit_bytes,
    max(oom_kills)::integer as oom_kills,
    string_agg(distinct source, ', ' order by source)::varchar as source
from everything
group by service, category, phase, benchmark, users
order by phase, users, benchmark nulls first, category, service
