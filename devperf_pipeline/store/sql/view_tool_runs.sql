-- One row is one benchmark of a reference tool in a baseline, whether the tool gave every call or only stated figures.
create view tool_runs as
select
    p.baseline_id,
    p.service,
    p.operation,
    p.benchmark,
    p.instrument,
    p.users,
    p.n,
    r.elapsed_ns,
    p.throughput_per_s,
    p.mean_ns,
    p.p95_ns,
    null::integer as threads,
    p.invalid_reason as problem
from percentiles as p
join (
    select baseline_id, benchmark, sum(elapsed_ns)::bigint as elapsed_ns from rounds group by all
) as r using (baseline_id, benchmark)
where p.instrument not in ('engine', 'driver')
union all
select
    baseline_id,
    service,
    operation,
    benchmark,
    instrument,
    users,
    sum(n)::bigint,
    sum(elapsed_ns)::bigint,
    sum(throughput_per_s * elapsed_ns) / sum(elapsed_ns) filter (throughput_per_s is not null),
    sum(mean_ns * n) / sum(n) filter (mean_ns is not null),
    null,
    max(try_cast(about['threads'] as integer)),
    any_value(problem)
from stated
group by baseline_id, service, operation, benchmark, instrument, users
