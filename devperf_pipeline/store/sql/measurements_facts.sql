-- One row is one fact about the host or a service; what a machine could not tell is null.
select
    baseline_id,
    'fact' as kind,
    service || '/' || key as name,
    'value' as measure,
    try_cast(value as double) as value,
    case when value not in ('unknown', 'none', 'all alike') then value end as text,
    null::varchar as reason
from infrastructure
