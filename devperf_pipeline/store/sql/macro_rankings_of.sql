-- One row is one implementation of one route in one scope: the ranking rule, once. `chosen` is a list of {scope,
-- baseline_id, service, route, benchmark}; a scope is what is ranked together, and the benchmark is null of a service
-- that answered and was not measured.
-- Like is compared with like: ranked by p95 are those whose answer is as their contract says and the one that most gave,
-- whose reading counts, in the placement of most and, where several dependencies are asked, asking as most do.
-- `why_not` says of the others why.
create macro rankings_of(chosen) as table
with told as (
    select
        c.scope,
        c.route,
        c.baseline_id,
        c.service,
        c.benchmark,
        coalesce(s.title, c.service) as called,
        -- An API of which only routes are known sets no example, and owes the contract nothing among its like.
        coalesce(kind_of(c.service) = 'api', false) as is_unknown,
        a.status,
        a.shape,
        concat_ws(' ', a.status, a.shape) as answer,
        coalesce(a.status // 100 = 2, false) as is_success,
        case
            when count(a.status) filter (not is_unknown) over (partition by c.scope, c.route) > 0 then a.problem
        end as problem,
        p.* exclude (baseline_id, service, benchmark),
        case when c.route = 'GET /health/all' then coalesce(i.value, 'unknown') else '' end as aggregation,
        if(coalesce(e.value, 'off') = 'off', 'without TLS', 'over TLS') as way
    from (select it.* from (select unnest(chosen) as it)) as c
    left join percentiles as p on p.baseline_id = c.baseline_id and p.benchmark = c.benchmark
    left join services as s on s.baseline_id = c.baseline_id and s.service = c.service
    left join answers as a on a.baseline_id = c.baseline_id and a.service = c.service and a.route = c.route
    left join infrastructure as i
        on i.baseline_id = c.baseline_id and i.service = c.service and i.key = 'aggregation'
    left join infrastructure as e on e.baseline_id = c.baseline_id and e.service = c.service and e.key = 'tls'
),
counted as (
    select *, count(*) filter (problem is null) over (partition by scope, route, answer) as as_many from told
),
-- Of answers that as many gave a success is the usual one, then the first.
parity as (
    select
        *,
        problem is null and answer = first_value(answer) over (
            partition by scope, route order by problem is null desc, as_many desc, is_success desc, is_unknown, service
        ) as is_usual
    from counted
),
usual as (
    select
        scope,
        route,
        any_value(status) as status,
        any_value(shape) as shape,
        string_agg(called, ', ' order by is_unknown, service) as whose
    from parity
    where is_usual
    group by scope, route
),
others as (
    select p.scope, p.route, p.service, p.status, p.shape, u.status as usual_status, u.shape as usual_shape
    from parity as p
    join usual as u using (scope, route)
    where not p.is_usual and p.problem is null
),
fields as (
    select scope, route, service, is_own, unnest(map_keys(form)) as path, unnest(map_values(form)) as type
    from (
        select *, true as is_own, shape::json::map(varchar, varchar) as form from others
        union all
        select *, false, usual_shape::json::map(varchar, varchar) from others
    )
),
-- "string: absent" says how a dependency is, which tells more than that it is text.
differences_ as (
    select
        scope,
        route,
        service,
        path,
        regexp_replace(any_value(type) filter (is_own), '^string: ', '') as here,
        regexp_replace(any_value(type) filter (not is_own), '^string: ', '') as there,
        case
            when there is null then 'there is ' || path
            when here is null then 'there is no ' || path
            else path || ' is ' || here || ', not ' || there
        end as said
    from fields
    group by scope, route, service, path
    having any_value(type) filter (is_own) is distinct from any_value(type) filter (not is_own)
),
listed as (
    select scope, route, service, list(said order by path) as all_said from differences_ group by scope, route, service
),
judged as (
    select
        p.*,
        case
            when p.problem is not null then 'its answer is not as the contract says: ' || p.problem
            when not p.is_usual then 'its answer differs from that of ' || u.whose || ': ' || case
                when p.status is distinct from u.status
                    then 'status ' || coalesce(p.status::varchar, 'unknown') || ', not '
                        || coalesce(u.status::varchar, 'unknown')
                else array_to_string(l.all_said[:3], ', ')
                    || case when len(l.all_said) > 3 then ' and ' || len(l.all_said) - 3 || ' more' else '' end
            end
            when p.n is null then 'it has no reading in this baseline'
            when not p.valid then 'its reading does not count: ' || coalesce(p.invalid_reason, 'no reason was stored')
            when p.n < calls_needed(0.95) or p.p95_ns is null then 'it has ' || p.n || ' calls, too few for a p95'
        end as barred
    from parity as p
    left join usual as u using (scope, route)
    left join listed as l using (scope, route, service)
),
candidates as (
    select
        *,
        barred is null as is_candidate,
        count(*) filter (barred is null) over (partition by scope, route, placement) as placed_so,
        count(*) filter (barred is null) over (partition by scope, route, aggregation) as asking_so,
        count(*) filter (barred is null) over (partition by scope, route, way) as reached_so
    from judged
),
compared as (
    select
        *,
        first_value(placement) over (
            partition by scope, route order by is_candidate desc, placed_so desc, is_unknown, service
        ) as usual_placement,
        first_value(aggregation) over (
            partition by scope, route order by is_candidate desc, asking_so desc, is_unknown, service
        ) as usual_aggregation,
        first_value(way) over (
            partition by scope, route order by is_candidate desc, reached_so desc, is_unknown, service
        ) as usual_way
    from candidates
),
ranked as (
    select
        *,
        case
            when barred is not null then barred
            when placement <> usual_placement
                then 'it ran in another placement: ' || placement || ', the others in ' || usual_placement
            when way <> usual_way then 'it is reached ' || way || ', the others ' || usual_way
            when aggregation <> usual_aggregation
                then 'it does other work: it asks its dependencies ' || asking(aggregation) || ', the others '
                    || asking(usual_aggregation)
        end as why_not
    from compared
)
select
    scope,
    baseline_id,
    route,
    service,
    case
        when why_not is null then rank() over (partition by scope, route, why_not is null order by p95_ns, p50_ns)
    end as place,
    why_not,
    users,
    n,
    throughput_per_s,
    p50_ns,
    p95_ns,
    p95_low_ns,
    p95_high_ns,
    p99_ns,
    case
        when why_not is null then p95_ns / min(p95_ns) filter (why_not is null) over (partition by scope, route)
    end as times_the_fastest,
    placement,
    benchmark,
    position
from ranked
