-- One row is one measured benchmark whose figures contradict each other or its rounds. Little's law is tried within
-- 30 % where each user asked ten times a round or more: of fewer calls, the first and the last weigh too much.
with pooled as (
    select
        baseline_id, benchmark,
        sum(n)::bigint as n, sum(errors)::bigint as errors, sum(elapsed_ns)::bigint as elapsed_ns
    from rounds
    group by all
),
judged as (
    select
        baseline_id, benchmark, 'order of percentiles' as rule, p50_ns::double as expected, max_ns::double as found,
        not (
            min_ns <= p50_ns and p50_ns <= p90_ns and p90_ns <= p95_ns and p95_ns <= p99_ns and p99_ns <= p999_ns
            and p999_ns <= max_ns and mean_ns between min_ns and max_ns
        ) as broken,
        'percentiles from least to largest do not rise, or the mean is outside of them' as sentence
    from percentiles
    union all
    select
        baseline_id, benchmark, 'bounds', p95_ns, coalesce(p95_low_ns, p95_high_ns),
        not (p50_ns <= p95_low_ns and p95_low_ns <= p95_ns and p95_ns <= p95_high_ns and p95_high_ns <= max_ns),
        format(
            'the bounds of p95, {} to {} ns, leave out {} ns itself or go beyond p50 of {} ns or the slowest call of {} ns',
            p95_low_ns, p95_high_ns, p95_ns, p50_ns, max_ns
        )
    from percentiles
    union all
    select
        p.baseline_id, p.benchmark, 'sum against total', r.n, p.n, p.n <> r.n or p.errors <> r.errors,
        format('its rounds have {} calls and {} errors, its row {} and {}', r.n, r.errors, p.n, p.errors)
    from percentiles as p
    join pooled as r using (baseline_id, benchmark)
    union all
    select
        p.baseline_id, p.benchmark, 'rate x time = count', p.n - p.errors, p.throughput_per_s * r.elapsed_ns / 1e9,
        abs(p.throughput_per_s * r.elapsed_ns / 1e9 - (p.n - p.errors)) > 0.5,
        format('{:.1f} calls/s for {:.3f} s are not the {} calls that ended well', p.throughput_per_s, r.elapsed_ns / 1e9, p.n - p.errors)
    from percentiles as p
    join pooled as r using (baseline_id, benchmark)
    union all
    select
        p.baseline_id, p.benchmark, 'Little''s law', p.users, p.n * p.mean_ns / r.elapsed_ns,
        p.valid and p.n >= 10 * p.users * p.rounds and (
            p.n * p.mean_ns / r.elapsed_ns > 1.3 * p.users
            -- What a client may spend between two calls is no contradiction (store/validity.py, CLIENT_COST_NS).
            or 1.3 * p.n * p.mean_ns / r.elapsed_ns < p.users and p.users * r.elapsed_ns - p.n * p.mean_ns > 25000 * p.n
        ),
        format('throughput times mean says that {:.1f} users waited at once, and there were {}', p.n * p.mean_ns / r.elapsed_ns, p.users)
    from percentiles as p
    join pooled as r using (baseline_id, benchmark)
)
select baseline_id as source, benchmark as place, rule, expected, found, sentence
from judged
where broken
