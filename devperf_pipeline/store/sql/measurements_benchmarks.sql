-- One row is one figure of one benchmark; null where the benchmark is not valid.
select
    baseline_id,
    'benchmark' as kind,
    benchmark as name,
    measure,
    case when valid then figure end as value,
    null::varchar as text,
    case
        when not valid then 'measured and not counted: ' || invalid_reason
        else weakness(measure, n)
    end as reason
from (
    unpivot (
        select
            baseline_id, benchmark, valid, invalid_reason, n,
            throughput_per_s::double as throughput_per_s,
            mean_ns::double as mean_ns,
            p50_ns::double as p50_ns,
            p95_ns::double as p95_ns,
            p99_ns::double as p99_ns,
            max_ns::double as max_ns
        from percentiles
    )
    on throughput_per_s, mean_ns, p50_ns, p95_ns, p99_ns, max_ns
    into name measure value figure
)
