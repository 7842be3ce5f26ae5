-- One row is one figure of one run of a reference tool; null where the run says nothing about the service.
select
    baseline_id,
    'tool' as kind,
    benchmark as name,
    measure,
    case when problem is null then figure end as value,
    null::varchar as text,
    problem as reason
from (
    unpivot (
        select
            baseline_id, benchmark, problem,
            users::double as users,
            threads::double as threads,
            n::double as n,
            elapsed_ns::double as elapsed_ns,
            throughput_per_s::double as throughput_per_s,
            mean_ns::double as mean_ns
        from tool_runs
    )
    on users, threads, n, elapsed_ns, throughput_per_s, mean_ns
    into name measure value figure
)
