-- One row is one layer of one task: what it adds to the layer below, from the lowest to the highest round.
select
    substr(topic, 8) as task,
    case
        when against_operation = 'floor' then 'service'
        when instrument = 'driver' then 'driver'
        else 'api'
    end as layer,
    service,
    p50_ns,
    against_p50_ns,
    difference_ns,
    difference_low_ns,
    difference_high_ns,
    rounds
from differences
where baseline_id = $baseline_id and topic like 'layer: %'
order by task, layer = 'api', layer = 'driver', service
