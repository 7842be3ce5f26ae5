-- One row is what one service used in one phase, idle or under one load. Of fewer than 3 readings no CPU is told:
-- one of them may lie half outside the load.
select * replace (
    case when readings >= 3 then cpu_p5 end as cpu_p5,
    case when readings >= 3 then cpu_p50 end as cpu_p50,
    case when readings >= 3 then cpu_p95 end as cpu_p95
)
from resources
where baseline_id = $baseline_id
order by category, service, phase, users
