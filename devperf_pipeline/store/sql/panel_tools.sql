-- One row is one operation that a reference tool measured of a service in that baseline, and how it stands to the engine.
select
    t.operation,
    t.instrument as tool,
    t.users,
    t.throughput_per_s as "calls/s",
    t.mean_ns / 1e6 as "mean ms",
    t.n,
    coalesce(t.problem, a.says, 'no engine beside it') as says
from tool_runs as t
left join agreements as a
    on a.baseline_id = t.baseline_id and a.service = t.service and a.operation = t.operation
    and a.users = t.users and a.tool = t.instrument
where t.baseline_id = $baseline_id and t.service = $service
order by t.operation, t.instrument, t.users
