-- One row is what one service, one node of the cluster on average, or the whole stack used, idle or under load.
-- Under load is a service's own load test, the one of 100 users where there is one.
create view resource_use as
with chosen as (
    select *
    from resources
    where service not in ('stack', 'total') and phase in ('idle', 'load')
    qualify row_number() over (
        partition by baseline_id, service, phase
        order by split_part(benchmark, '/', 1) = service desc, users = 100 desc, users desc, benchmark
    ) = 1
),
allocated as (
    select baseline_id, try_cast(value as bigint) as allocated_bytes
    from infrastructure
    where service = 'host' and key = 'memory_bytes'
)
select
    baseline_id,
    service || '/' || phase as name,
    cpu_p50 as cpu_percent,
    cpu_p5 as cpu_low,
    cpu_p95 as cpu_high,
    rss_bytes::double as rss_bytes,
    vsz_bytes::double as vsz_bytes,
    read_per_s + written_per_s as disk_per_s,
    received_per_s + sent_per_s as network_per_s,
    null::bigint as allocated_bytes
from chosen
union all
select
    baseline_id,
    service || '/' || phase || '/node',
    cpu_p50 / processes,
    cpu_p5 / processes,
    cpu_p95 / processes,
    rss_bytes / processes,
    vsz_bytes / processes,
    null,
    null,
    null
from chosen
where service = 'redis_cluster'
union all
select
    baseline_id,
    'stack/' || phase,
    sum(cpu_p50),
    sum(cpu_p5),
    sum(cpu_p95),
    sum(rss_bytes),
    sum(vsz_bytes),
    sum(read_per_s + written_per_s),
    sum(received_per_s + sent_per_s),
    any_value(allocated_bytes)
from chosen
left join allocated using (baseline_id)
group by baseline_id, phase
