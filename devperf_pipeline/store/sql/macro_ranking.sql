-- One row is one service that answers that path, as it stands now: rank by p95, like for like, as the report ranks.
-- A path is a title ("GET /health/all") or what follows its method ("/health/all"). Ranked are those that answered as
-- most did, with a p95 that can be known, in the placement of most and, where several dependencies are asked, in the
-- same way; `why_not` says of the others why. The report also holds answers against the contract.
create macro ranking(of_path, with_users := 1) as table
with answered as (
    select
        c.*,
        coalesce(a.status // 100 = 2, false) as success,
        concat_ws(' ', a.status, a.shape) as answer,
        case when c.title = 'GET /health/all' then coalesce(i.value, 'unknown') else '' end as aggregation
    from current as c
    left join answers as a on a.baseline_id = c.baseline_id and a.service = c.service and a.route = c.title
    left join infrastructure as i
        on i.baseline_id = c.baseline_id and i.service = c.service and i.key = 'aggregation'
    where (c.title = of_path or split_part(c.title, ' ', 2) = of_path and regexp_matches(c.title, '^[A-Z]+ /'))
        and c.users = with_users and c.instrument = 'engine'
),
alike as (
    select *, count(*) over (partition by stack, title, answer) as as_many from answered
),
same as (
    select
        *,
        answer = first_value(answer) over (
            partition by stack, title order by as_many desc, success desc, service similar to 'api(_.*)?', service
        ) as same_answer,
        same_answer and n >= 72 as candidate
    from alike
),
usual as (
    select
        *,
        count(*) filter (candidate) over (partition by stack, title, placement) as placed_so,
        count(*) filter (candidate) over (partition by stack, title, aggregation) as asking_so
    from same
),
told as (
    select
        *,
        case
            when not same_answer then 'it answers otherwise than most'
            when n < 72 then 'too few calls for a p95: ' || n
            when placement <> first_value(placement) over (
                partition by stack, title order by candidate desc, placed_so desc, service
            ) then 'it ran in another placement: ' || placement
            when aggregation <> first_value(aggregation) over (
                partition by stack, title order by candidate desc, asking_so desc, service
            ) then 'it asks its dependencies in another way: ' || aggregation
        end as why_not
    from usual
)
select
    case when why_not is null then rank() over (partition by stack, title, why_not is null order by p95_ns) end as rank,
    service,
    title,
    users,
    p50_ns / 1e6 as p50_ms,
    p95_ns / 1e6 as p95_ms,
    p99_ns / 1e6 as p99_ms,
    throughput_per_s,
    case when why_not is null then
        round(p95_ns / min(p95_ns) filter (why_not is null) over (partition by stack, title), 2)
    end as times_the_fastest,
    why_not,
    n,
    placement,
    stack,
    baseline_id
from told
order by stack, title, rank nulls last, p95_ns
