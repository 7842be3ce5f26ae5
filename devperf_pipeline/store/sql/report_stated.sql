-- One row is one run of a reference tool on one service, with what the view agreements says of it.
select
    s.operation,
    s.instrument as tool,
    s.users,
    s.round,
    s.n,
    s.errors,
    coalesce(r.throughput_per_s, s.throughput_per_s) as throughput_per_s,
    coalesce(r.p50_ns, s.latencies_ns[list_position(s.shares, 0.5)]) as p50_ns,
    coalesce(r.p95_ns, s.latencies_ns[list_position(s.shares, 0.95)]) as p95_ns,
    try_cast(map_extract(s.about, 'looks every')[1] as bigint) as looks_ns,
    coalesce(s.problem, r.problem) as problem,
    a.says
from stated as s
left join rounds as r using (baseline_id, benchmark, round)
left join agreements as a
    on a.baseline_id = s.baseline_id
    and a.service = s.service
    and a.operation = s.operation
    and a.users = s.users
    and a.tool = s.instrument
where s.baseline_id = $baseline_id and s.service = $service
order by s.began_at, s.operation, s.instrument, s.round
