-- One row at most: the baseline of that id, or the newest that was measured here (of that stack), and whether none of
-- its stack is newer.
select
    baseline_id,
    stack,
    profile,
    seed,
    epoch_ns(began_at) as began_at_ns,
    epoch_ns(ended_at) as ended_at_ns,
    forecast_s,
    state,
    samples,
    rounds,
    (select count(*) from percentiles as p where p.baseline_id = baselines.baseline_id) as benchmarks,
    (select coalesce(sum(p.n), 0)::bigint from percentiles as p where p.baseline_id = baselines.baseline_id) as calls,
    stack <> 'imported'
        and baseline_id = (select max(b.baseline_id) from baselines as b where b.stack = baselines.stack) as newest
from baselines
where
    baseline_id = $baseline_id::varchar
    or ($baseline_id::varchar is null and stack <> 'imported' and stack = coalesce($stack::varchar, stack))
order by baseline_id desc
limit 1
