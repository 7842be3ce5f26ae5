-- One row at most: the newest complete baseline of the same stack before this one that measured some of the same.
select b.baseline_id, b.profile, epoch_ns(b.began_at) as began_at_ns
from baselines as b
join baselines as c on c.baseline_id = $baseline_id and b.stack = c.stack
where b.baseline_id < c.baseline_id
    and b.state = 'complete'
    and exists (
        from percentiles as p
        where p.baseline_id = b.baseline_id
            and p.benchmark in (select benchmark from percentiles where baseline_id = $baseline_id)
    )
order by b.baseline_id desc
limit 1
