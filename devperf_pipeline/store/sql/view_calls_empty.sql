-- One row would be one call, measured or made to warm up; there is none yet.
select
    null::varchar as baseline_id,
    null::varchar as service,
    null::varchar as benchmark,
    null::integer as round,
    null::bigint as begin_ns,
    null::bigint as latency_ns,
    null::tinyint as outcome
where false
