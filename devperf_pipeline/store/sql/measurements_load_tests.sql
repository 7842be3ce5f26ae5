-- One row is one figure of one load test; null where the test is not valid. Ranks count those that are ranked in print.
-- A percentile needs as many calls as a 95 % interval of it: the first n for which share ^ n is below 0.025.
select
    baseline_id,
    'load_test' as kind,
    benchmark as name,
    measure,
    case when valid then figure end as value,
    null::varchar as text,
    case
        when not valid then 'measured and not counted: ' || invalid_reason
        when calls < needs
            then 'weak: from ' || calls || ' calls, where ' || replace(measure, '_ns', '') || ' needs ' || needs
                || '; measure longer'
    end as reason
from (
    unpivot (
        select
            baseline_id, benchmark, valid, invalid_reason, n as calls,
            users::double as users,
            limit_calls::double as limit_calls,
            limit_s::double as limit_s,
            elapsed_ns::double as elapsed_ns,
            n::double as n,
            failed::double as failed,
            throughput_per_s::double as throughput_per_s,
            mean_ns::double as mean_ns,
            mean_across_users_ns::double as mean_across_users_ns,
            p50_ns::double as p50_ns,
            p66_ns::double as p66_ns,
            p75_ns::double as p75_ns,
            p80_ns::double as p80_ns,
            p90_ns::double as p90_ns,
            p95_ns::double as p95_ns,
            p98_ns::double as p98_ns,
            p99_ns::double as p99_ns,
            max_ns::double as max_ns,
            case
                when valid and service in ('gin', 'fastapi', 'express') then rank() over (
                    partition by baseline_id, operation, users, valid and service in ('gin', 'fastapi', 'express')
                    order by throughput_per_s desc
                )
            end::double as rank
        from load_tests
    )
    on
        users, limit_calls, limit_s, elapsed_ns, n, failed, throughput_per_s, mean_ns, mean_across_users_ns,
        p50_ns, p66_ns, p75_ns, p80_ns, p90_ns, p95_ns, p98_ns, p99_ns, max_ns, rank
    into name measure value figure
)
left join (
    select measure, ceil(ln(0.025) / ln(share))::bigint as needs
    from (
        values ('p66_ns', 0.66), ('p75_ns', 0.75), ('p80_ns', 0.8), ('p90_ns', 0.9), ('p95_ns', 0.95), ('p98_ns', 0.98), ('p99_ns', 0.99)
    ) as ladder(measure, share)
) using (measure)
