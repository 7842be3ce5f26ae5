-- One row is one measured load test whose figures contradict each other. Calls under way at the limit are waited for.
with judged as (
    select
        baseline_id, benchmark, 'duration against limit' as rule, limit_s::double as expected, elapsed_ns / 1e9 as found,
        elapsed_ns / 1e9 > 1.2 * limit_s + max_ns / 1e9 as broken,
        format('took {:.1f} s under a limit of {} s', elapsed_ns / 1e9, limit_s) as sentence
    from load_tests
    union all
    select
        baseline_id, benchmark, 'rate x time = count', n - failed, throughput_per_s * elapsed_ns / 1e9,
        abs(throughput_per_s * elapsed_ns / 1e9 / nullif(n - failed, 0) - 1) > 0.01,
        format('{:.1f} calls/s for {:.3f} s are not the {} calls that ended well', throughput_per_s, elapsed_ns / 1e9, n - failed)
    from load_tests
    union all
    select
        baseline_id, benchmark, 'Little''s law', users, n * mean_ns / elapsed_ns,
        valid and n >= 10 * users and (
            n * mean_ns / elapsed_ns > 1.3 * users
            or 1.3 * n * mean_ns / elapsed_ns < users and users * elapsed_ns - n * mean_ns > 25000 * n
        ),
        format('throughput times mean says that {:.1f} users waited at once, and there were {}', n * mean_ns / elapsed_ns, users)
    from load_tests
    union all
    select
        baseline_id, benchmark, 'order of percentiles', p50_ns, max_ns,
        not (
            p50_ns <= p66_ns and p66_ns <= p75_ns and p75_ns <= p80_ns and p80_ns <= p90_ns and p90_ns <= p95_ns
            and p95_ns <= p98_ns and p98_ns <= p99_ns and p99_ns <= max_ns and mean_ns <= max_ns
        ),
        'percentiles from p50 to the largest do not rise, or the mean is above all of them'
    from load_tests
    union all
    select
        baseline_id, benchmark, 'sum against total', limit_calls, n, n > limit_calls,
        format('made {} calls under a limit of {}', n, limit_calls)
    from load_tests
)
select baseline_id as source, benchmark as place, rule, expected, found, sentence
from judged
where broken
