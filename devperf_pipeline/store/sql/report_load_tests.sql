-- One row is one sustained benchmark: so many users in one stretch. A percentile of fewer calls than a 95 % interval
-- of it needs (the first n whose share ^ n is below 0.025) is null.
select * replace (
    case when n >= 9 then p66_ns end as p66_ns,
    case when n >= 13 then p75_ns end as p75_ns,
    case when n >= 17 then p80_ns end as p80_ns,
    case when n >= 36 then p90_ns end as p90_ns,
    case when n >= 72 then p95_ns end as p95_ns,
    case when n >= 183 then p98_ns end as p98_ns,
    case when n >= 368 then p99_ns end as p99_ns
)
from load_tests
left join (select baseline_id, benchmark, title, placement, busy_rounds from percentiles) using (baseline_id, benchmark)
where baseline_id = $baseline_id
order by service, operation, users
