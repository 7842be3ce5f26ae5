-- One row is one point of a service's sweep of users in that baseline, in the units that people read.
select
    users,
    throughput_per_s as "calls/s",
    mean_ns / 1e6 as "mean ms",
    p50_ns / 1e6 as "p50 ms",
    p95_ns / 1e6 as "p95 ms",
    p99_ns / 1e6 as "p99 ms",
    max_ns / 1e6 as "max ms",
    n,
    failed,
    case when valid then 'yes' else invalid_reason end as valid
from load_tests
where baseline_id = $baseline_id and service = $service
order by users
