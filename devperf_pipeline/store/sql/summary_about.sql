-- One row is one round of a baseline, warm-ups included: everything about it but its samples.
select
    benchmark::varchar as benchmark,
    service::varchar as service,
    operation::varchar as operation,
    users::integer as users,
    load::varchar as load,
    instrument::varchar as instrument,
    round::integer as round,
    phase::varchar as phase,
    began_at_ns::bigint as began_at_ns,
    elapsed_ns::bigint as elapsed_ns,
    placement::varchar as placement,
    other_cpu::double as other_cpu,
    problem::varchar as problem,
    calls::bigint as calls,
    latency_sum_ns::bigint as latency_sum_ns
from read_parquet($file, hive_partitioning = false)
order by benchmark, round, began_at_ns
