-- One row is one sustained benchmark: so many users in one stretch, how people call its operation, and where client and
-- servers ran meanwhile.
select
    t.*,
    (
        select any_value(p.title)
        from percentiles as p
        where p.baseline_id = t.baseline_id and p.benchmark = t.benchmark
    ) as title,
    (
        select any_value(r.placement)
        from rounds as r
        where r.baseline_id = t.baseline_id and r.benchmark = t.benchmark
    ) as placement
from load_tests as t
where t.baseline_id = $baseline_id
order by t.service, t.operation, t.users
