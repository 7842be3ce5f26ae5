-- One row is what one service, node or companion, an average node, or the whole stack used, idle or under load.
-- Under load means its own load test (or that of the service whose node it is): the one of 100 users where there is one.
-- Disk and network of the whole stack are the machine's where those of its processes cannot be told.
create view resource_use as
with chosen as (
    select *, split_part(service, '/', 1) as belongs_to
    from resources
    where phase in ('idle', 'load')
    qualify row_number() over (
        partition by baseline_id, service, phase
        order by split_part(benchmark, '/', 1) = split_part(service, '/', 1) desc, users = 100 desc, users desc, benchmark
    ) = 1
),
machine as (
    select c.baseline_id, c.phase, c.read_per_s + c.written_per_s as disk_per_s,
        c.received_per_s + c.sent_per_s as network_per_s, try_cast(i.value as bigint) as allocated_bytes
    from chosen as c
    left join infrastructure as i
        on i.baseline_id = c.baseline_id and i.service = 'host' and i.key = 'memory_bytes'
    where c.service = 'host'
)
select
    c.baseline_id,
    case c.service when 'total' then 'stack' else c.service end || '/' || c.phase as name,
    c.readings,
    c.cpu_p50 as cpu_percent,
    c.cpu_p5 as cpu_low,
    c.cpu_p95 as cpu_high,
    c.rss_bytes::double as rss_bytes,
    c.vsz_bytes::double as vsz_bytes,
    coalesce(c.read_per_s + c.written_per_s, m.disk_per_s) as disk_per_s,
    coalesce(c.received_per_s + c.sent_per_s, m.network_per_s) as network_per_s,
    m.allocated_bytes
from chosen as c
left join machine as m on m.baseline_id = c.baseline_id and m.phase = c.phase and c.service = 'total'
union all
select
    baseline_id,
    belongs_to || '/node/' || phase,
    min(readings),
    avg(cpu_p50),
    avg(cpu_p5),
    avg(cpu_p95),
    avg(rss_bytes),
    avg(vsz_bytes),
    avg(read_per_s + written_per_s),
    avg(received_per_s + sent_per_s),
    null
from chosen
where service <> belongs_to
group by baseline_id, belongs_to, phase
