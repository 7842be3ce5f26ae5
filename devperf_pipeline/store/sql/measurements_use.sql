-- One row is one figure of what a service, a node or the stack used; CPU is a range of the 5th to the 95th percentile.
select
    baseline_id,
    'use' as kind,
    name,
    measure,
    figure as value,
    case
        when measure = 'cpu_percent' and not starts_with(name, 'stack/')
            then round(cpu_low, 1) || '-' || round(cpu_high, 1)
    end as text,
    case
        when measure = 'cpu_percent' and readings < 3
            then 'weak: from ' || readings || ' reading' || case readings when 1 then '' else 's' end
                || ', where CPU needs 3; measure longer'
    end as reason
from (
    unpivot (
        select
            baseline_id, name, readings, cpu_low, cpu_high,
            cpu_percent::double as cpu_percent,
            rss_bytes::double as rss_bytes,
            vsz_bytes::double as vsz_bytes,
            disk_per_s::double as disk_per_s,
            network_per_s::double as network_per_s,
            allocated_bytes::double as allocated_bytes
        from resource_use
    )
    on cpu_percent, rss_bytes, vsz_bytes, disk_per_s, network_per_s, allocated_bytes
    into name measure value figure
)
