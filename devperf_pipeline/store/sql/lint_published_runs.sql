-- One row is one run of a published load tool whose figures contradict each other.
with runs as (
    select
        published_id,
        table_name || ' ' || row_name as place,
        max(value) filter (metric in ('concurrency', 'clients')) as users,
        max(value) filter (metric = 'duration_limit_s') as limit_s,
        max(value) filter (metric in ('time_taken_s', 'duration_s')) as seconds,
        max(value) filter (metric in ('complete', 'transactions')) as calls,
        max(value) filter (metric in ('requests_per_second', 'tps_including_connections')) as rate_per_s,
        max(value) filter (metric in ('mean_ms', 'latency_average_ms')) as mean_ms,
        max(value) filter (metric = 'mean_across_concurrent_ms') as across_ms
    from published_cells
    group by published_id, table_name, subject, row_name
    having users is not null
),
judged as (
    select
        published_id, place, 'duration against limit' as rule, limit_s as expected, seconds as found,
        seconds > 1.05 * limit_s as broken,
        format('took {} s under a limit of {} s', seconds, limit_s) as sentence
    from runs
    union all
    select
        published_id, place, 'rate x time = count', rate_per_s * seconds, calls,
        abs(calls / (rate_per_s * seconds) - 1) > 0.01,
        format('{} calls/s for {} s are {:.0f} calls, not {:.0f}', rate_per_s, seconds, rate_per_s * seconds, calls)
    from runs
    union all
    select
        published_id, place, 'Little''s law', users, rate_per_s * mean_ms / 1000,
        abs(rate_per_s * mean_ms / 1000 / users - 1) > 0.05,
        format('{} calls/s of {} ms each are {:.1f} users at once, not {}', rate_per_s, mean_ms, rate_per_s * mean_ms / 1000, users)
    from runs
    union all
    select
        published_id, place, 'mean across users', mean_ms / users, across_ms,
        abs(across_ms * users / mean_ms - 1) > 0.02,
        format('{} ms shared by {} users are {:.2f} ms, not {}', mean_ms, users, mean_ms / users, across_ms)
    from runs
)
select 'published ' || published_id as source, place, rule, expected, found, sentence
from judged
where broken
