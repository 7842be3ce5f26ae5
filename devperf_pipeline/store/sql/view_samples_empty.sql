-- One row would be one measured call; there is none yet.
create view samples as
select
    null::varchar as baseline_id,
    null::varchar as service,
    null::varchar as benchmark,
    null::integer as round,
    null::bigint as begin_ns,
    null::bigint as latency_ns,
    null::tinyint as outcome
where false
