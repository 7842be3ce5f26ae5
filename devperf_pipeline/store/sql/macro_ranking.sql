-- One row is one service that answers that path: rank by p50 of its newest valid measurement with so many users.
-- A path is a title ("GET /health/all") or what follows its method ("/health/all").
create macro ranking(of_path, with_users := 1) as table
with answered as (
    select *
    from current
    where (title = of_path or split_part(title, ' ', 2) = of_path and regexp_matches(title, '^[A-Z]+ /'))
        and users = with_users and instrument = 'engine'
    qualify row_number() over (partition by stack, service, title order by load, measured_at desc) = 1
)
select
    rank() over (partition by stack, title order by p50_ns) as rank,
    service,
    title,
    users,
    p50_ns / 1e6 as p50_ms,
    p95_ns / 1e6 as p95_ms,
    p99_ns / 1e6 as p99_ms,
    throughput_per_s,
    round(p50_ns / min(p50_ns) over (partition by stack, title), 2) as times_the_fastest,
    n,
    placement,
    stack,
    baseline_id
from answered
order by stack, title, rank
