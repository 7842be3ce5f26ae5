-- One row is what one request in hand costs a service in memory, by the measure that tells it, shared pages divided.
select
    baseline_id,
    'memory' as kind,
    service as name,
    'bytes_per_request' as measure,
    bytes_per_request::double as value,
    null::varchar as text,
    case when bytes_per_request is null then verdict end as reason
from memory_per_request
qualify row_number() over (
    partition by baseline_id, service order by bytes_per_request is null, measure = 'pss' desc
) = 1
