-- One row at most: the complete baseline of the same stack before this one to compare it with. The newest that measured
-- at least half of the same benchmarks; where none did (one service alone, say), the one that measured most of them.
with own as (
    select benchmark from percentiles where baseline_id = $baseline_id
),
shared as (
    select b.baseline_id, b.profile, b.began_at, count(*) as benchmarks
    from baselines as b
    join baselines as c on c.baseline_id = $baseline_id and b.stack = c.stack
    join percentiles as p on p.baseline_id = b.baseline_id
    where b.baseline_id < c.baseline_id and b.state = 'complete' and p.benchmark in (from own)
    group by b.baseline_id, b.profile, b.began_at
)
select baseline_id, profile, epoch_ns(began_at) as began_at_ns
from shared
order by least(benchmarks, (select ceil(count(*) / 2) from own)) desc, baseline_id desc
limit 1
