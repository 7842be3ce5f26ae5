-- One row is what one finding costs a call, from the lowest to the highest round; it says so where its rule does not hold.
select
    baseline_id,
    'finding' as kind,
    finding || '/' || service as name,
    'impact_ns' as measure,
    impact_ns::double as value,
    case when holds then '' else 'not found: ' end
        || round(impact_low_ns / 1e6, 3) || ' to ' || round(impact_high_ns / 1e6, 3) as text,
    null::varchar as reason
from findings
