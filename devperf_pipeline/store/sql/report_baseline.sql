-- One row at most: the baseline of that id, or the newest of all, and whether none is newer.
select
    baseline_id,
    stack,
    profile,
    seed,
    epoch_ns(began_at) as began_at_ns,
    epoch_ns(ended_at) as ended_at_ns,
    state,
    samples,
    rounds,
    baseline_id = (select max(baseline_id) from baselines) as newest
from baselines
where $baseline_id::varchar is null or baseline_id = $baseline_id::varchar
order by baseline_id desc
limit 1
