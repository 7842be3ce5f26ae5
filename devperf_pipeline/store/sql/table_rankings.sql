-- One row is one implementation of one route that two or more answered in a baseline, at one user: its place, or why
-- it has none.
create table rankings as
select r.* exclude (scope, users, position), min(position) over (partition by baseline_id, route) as position
from rankings_of((
    select list({
        scope: a.baseline_id, baseline_id: a.baseline_id, service: a.service, route: a.route, benchmark: p.benchmark
    })
    from answers as a
    left join percentiles as p
        on p.baseline_id = a.baseline_id and p.service = a.service and p.title = a.route
        and p.instrument = 'engine' and p.load = 'closed-1'
)) as r
qualify count(*) over (partition by baseline_id, route) > 1
order by baseline_id, route, place nulls last, service
