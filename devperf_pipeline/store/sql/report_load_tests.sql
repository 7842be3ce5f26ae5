-- One row is one sustained benchmark: so many users in one window. A percentile of fewer calls than a 95 % interval
-- of it needs is null.
select * replace (
    case when pow(0.66, n) < 0.025 then p66_ns end as p66_ns,
    case when pow(0.75, n) < 0.025 then p75_ns end as p75_ns,
    case when pow(0.80, n) < 0.025 then p80_ns end as p80_ns,
    case when pow(0.90, n) < 0.025 then p90_ns end as p90_ns,
    case when pow(0.95, n) < 0.025 then p95_ns end as p95_ns,
    case when pow(0.98, n) < 0.025 then p98_ns end as p98_ns,
    case when pow(0.99, n) < 0.025 then p99_ns end as p99_ns
)
from load_tests
left join (select baseline_id, benchmark, title, placement, busy_rounds from percentiles) using (baseline_id, benchmark)
where baseline_id = $baseline_id
order by service, operation, users
