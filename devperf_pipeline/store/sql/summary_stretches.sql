-- One row is one sustained load: when it was to end, and what the client used.
select
    benchmark::varchar as benchmark,
    round::integer as round,
    limit_calls::bigint as limit_calls,
    limit_s::double as limit_s,
    engine_processes::integer as engine_processes,
    client_share::double as client_share,
    idle_cores::double as idle_cores
from read_parquet($file, hive_partitioning = false)
order by benchmark, round
