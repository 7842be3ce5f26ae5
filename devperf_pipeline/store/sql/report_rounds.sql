-- One row is one service: how many rounds of it were measured, how long they were, and how many were disturbed.
select
    service,
    count(distinct benchmark) as benchmarks,
    count(*) as rounds,
    count(*) filter (where problem is not null) as problems,
    count(*) filter (where is_busy(other_cpu)) as busy,
    median(elapsed_ns) as elapsed_ns
from rounds
where baseline_id = $baseline_id
group by service
order by service
