-- One row is one figure of one load test; null where the test is not valid. Ranks count those that are ranked in print
-- and answered themselves.
select
    baseline_id,
    'load_test' as kind,
    benchmark as name,
    measure,
    case when valid and (measure <> 'rank' or figure > 0) then figure end as value,
    null::varchar as text,
    case
        when not valid then 'measured and not counted: ' || invalid_reason
        when is_cached and measure = 'rank' then 'a cache answered: not ranked among those that answered themselves'
        when is_cached then concat_ws('; ', 'a cache answered', weakness(measure, calls))
        else weakness(measure, calls)
    end as reason
from (
    unpivot (
        select
            baseline_id, benchmark, valid, invalid_reason, n as calls,
            operation like '%-cached' as is_cached,
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
                when valid and not operation like '%-cached' and kind_of(service) in ('gin', 'fastapi', 'express') then rank() over (
                    partition by
                        baseline_id, operation, users, valid and kind_of(service) in ('gin', 'fastapi', 'express')
                    order by throughput_per_s desc
                )
                else 0  -- a null would be no row, and no reason
            end::double as rank
        from load_tests
    )
    on
        users, limit_calls, limit_s, elapsed_ns, n, failed, throughput_per_s, mean_ns, mean_across_users_ns,
        p50_ns, p66_ns, p75_ns, p80_ns, p90_ns, p95_ns, p98_ns, p99_ns, max_ns, rank
    into name measure value figure
)
