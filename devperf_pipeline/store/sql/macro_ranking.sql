-- One row is one service that answers that path, as it stands now: rank by p95, by the rule of rankings_of.
-- A path is a title ("GET /health/all") or what follows its method ("/health/all").
create macro ranking(of_path, with_users := 1) as table
select
    r.place as rank,
    r.service,
    r.route as title,
    r.users,
    r.p50_ns / 1e6 as p50_ms,
    r.p95_ns / 1e6 as p95_ms,
    r.p99_ns / 1e6 as p99_ms,
    r.throughput_per_s,
    round(r.times_the_fastest, 2) as times_the_fastest,
    r.why_not,
    r.n,
    r.placement,
    r.scope as stack,
    r.baseline_id
from rankings_of((
    select list({scope: stack, baseline_id: baseline_id, service: service, route: title, benchmark: benchmark})
    from current
    where (title = of_path or split_part(title, ' ', 2) = of_path and regexp_matches(title, '^[A-Z]+ /'))
        and users = with_users and instrument = 'engine'
)) as r
order by stack, title, rank nulls last, p95_ms
