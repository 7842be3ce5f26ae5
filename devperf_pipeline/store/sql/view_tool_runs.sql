-- One row is one benchmark of a reference tool in a baseline, over all its runs; percentiles where it gave every call.
create view tool_runs as
with runs as (
    select
        baseline_id,
        service,
        operation,
        benchmark,
        instrument,
        users,
        sum(n)::bigint as n,
        sum(elapsed_ns)::bigint as elapsed_ns,
        sum(throughput_per_s * elapsed_ns) / nullif(sum(elapsed_ns) filter (throughput_per_s is not null), 0)
            as throughput_per_s,
        sum(mean_ns * n) / nullif(sum(n) filter (mean_ns is not null), 0) as mean_ns,
        max(try_cast(about['threads'] as integer)) as threads,
        any_value(problem) as problem
    from stated
    group by baseline_id, service, operation, benchmark, instrument, users
)
select
    r.* exclude (threads, problem),
    p.p95_ns,
    r.threads,
    coalesce(r.problem, p.invalid_reason) as problem
from runs as r
left join percentiles as p using (baseline_id, benchmark)
