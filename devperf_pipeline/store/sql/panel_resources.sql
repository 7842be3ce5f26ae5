-- One row is what a service used in that baseline: at rest, under a load, with requests held; medians.
select
    r.phase,
    r.users,
    r.service as process,
    r.cpu_p50 as "CPU %",
    r.cpu_p95 as "CPU % p95",
    r.rss_bytes / 1048576 as "RSS MiB",
    r.pss_bytes / 1048576 as "PSS MiB",
    r.threads,
    r.readings
from resources as r
where r.baseline_id = $baseline_id
    and (r.service = $service or starts_with(r.service, $service || '/'))
    and (r.phase <> 'load' or starts_with(r.benchmark, $service || '/'))
order by case r.phase when 'idle' then 0 when 'load' then 1 else 2 end, r.service, r.users
