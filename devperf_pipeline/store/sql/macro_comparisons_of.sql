-- One row is one metric (p50 or p95) of one benchmark of a pair of baselines, `now` against `before`: the comparison
-- rule, once. `pairs` is a list of {before, now}, ids of baselines.
-- Changed: the difference exceeds the floor and 5 %. The floor is what two runs of this machine differ by, learnt from
-- three repeats or more, else assumed to be 50 %, and then five rounds or more of one must lie beyond all of the other;
-- it is at least the spread of the rounds. No change: even difference and floor together stay below 10 %.
create macro comparisons_of(pairs) as table
with pair as (
    select it.before, it.now from (select unnest(pairs) as it)
),
another as (
    select
        p.before,
        p.now,
        string_agg(
            f.key || ' ' || coalesce(x.value, 'unknown') || ' before, ' || coalesce(y.value, 'unknown') || ' now',
            '; ' order by f.key
        ) as machine
    from pair as p
    join machines as m on m.baseline_id = p.before
    join machines as n on n.baseline_id = p.now and n.machine is distinct from m.machine
    cross join (select key from host_facts where effect = 'another machine') as f
    left join infrastructure as x on x.baseline_id = p.before and x.service = 'host' and x.key = f.key
    left join infrastructure as y on y.baseline_id = p.now and y.service = 'host' and y.key = f.key
    where x.value is distinct from y.value
    group by p.before, p.now
),
-- How a service is reached, where that is not by TCP in the clear: a condition as placement is.
ways as (
    select baseline_id, service, if(key = 'tls', 'over TLS', value) as way
    from infrastructure
    where (key = 'tls' and value <> 'off') or (key = 'connections' and value = 'by a unix socket')
),
met as (
    select
        coalesce(x.before, y.before) as before,
        coalesce(x.now, y.now) as now,
        coalesce(x.benchmark, y.benchmark) as benchmark,
        case
            when x.benchmark is null then ['not comparable', 'it was not measured before']
            when y.benchmark is null then ['not comparable', 'it was not measured now']
            when o.machine is not null then ['not comparable', 'another machine: ' || o.machine]
            when x.problem is not null then ['invalid', 'before: ' || x.problem]
            when y.problem is not null then ['invalid', 'now: ' || y.problem]
            when x.placement <> y.placement
                then ['not comparable', 'placed ' || x.placement || ' before, ' || y.placement || ' now']
            when v.way is distinct from w.way
                then [
                    'not comparable',
                    'reached ' || coalesce(v.way, 'without TLS') || ' before, ' || coalesce(w.way, 'without TLS') || ' now'
                ]
        end as unlike,
        x.benchmark is not null and y.benchmark is not null as is_shared,
        unnest([{metric: 'p50', x: x.p50, y: y.p50}, {metric: 'p95', x: x.p95, y: y.p95}], max_depth := 2)
    from (from pair as p join levels as l on l.baseline_id = p.before) as x
    full join (from pair as p join levels as l on l.baseline_id = p.now) as y
        on y.before = x.before and y.now = x.now and y.benchmark = x.benchmark
    left join another as o on o.before = x.before and o.now = x.now
    left join ways as v on v.baseline_id = x.before and v.service = split_part(x.benchmark, '/', 1)
    left join ways as w on w.baseline_id = y.now and w.service = split_part(y.benchmark, '/', 1)
),
sides as (
    select
        before,
        now,
        benchmark,
        metric,
        is_shared,
        case
            when unlike is not null then unlike
            when x.rounds < 3
                then ['cannot tell', 'fewer than 3 of its rounds were long and quiet enough before']
            when y.rounds < 3 then ['cannot tell', 'fewer than 3 of its rounds were long and quiet enough now']
        end as barred,
        case when barred is null then x.figure_ns end as before_ns,
        case when barred is null then y.figure_ns end as now_ns,
        ln(now_ns / before_ns) as change,
        case when now > before then y.repeats else x.repeats end as repeats,
        case when now > before then y.between_log else x.between_log end as between_log,
        sqrt(x.within_log ** 2 + y.within_log ** 2) as within_log,
        least(x.rounds, y.rounds) >= 5 and (x.most_ns < y.least_ns or y.most_ns < x.least_ns) as is_apart
    from met
),
-- What ten benchmarks or more moved by together, the machine did: whoever moved with them is blamed for what is beyond
-- that alone, and where it is more than a fifth not at all.
drifts as (
    select before, now, case when count(change) >= 10 then median(change) end as drift
    from sides
    where metric = 'p50'
    group by before, now
),
floors as (
    select
        s.*,
        d.drift,
        greatest(3 - coalesce(repeats, 0), 0) as missing_repeats,
        missing_repeats = 0 as is_known,
        greatest(case when is_known then between_log else ln(assumed_floor()) end, within_log) as floor,
        greatest(floor, ln(1.05)) as least_change
    from sides as s
    join drifts as d using (before, now)
),
judged as (
    select
        *,
        abs(change) > least_change and (is_known or is_apart) as has_moved,
        coalesce(
            change * drift > 0 and (abs(drift) > ln(1.2) or abs(change) - abs(drift) <= least_change), false
        ) as is_along
    from floors
)
select
    before as reference_id,
    now as baseline_id,
    benchmark,
    metric,
    case
        when barred is not null then barred[1]
        when has_moved and is_along then 'cannot tell'
        when has_moved and change > 0 then 'slower'
        when has_moved then 'faster'
        when abs(change) + floor < ln(1.1) then 'no change'
        else 'cannot tell'
    end as verdict,
    case
        when barred is not null then barred[2]
        when has_moved and is_along then 'it moved with all the others, so the machine did'
    end as reason,
    before_ns::bigint as before_ns,
    now_ns::bigint as now_ns,
    exp(change) as ratio,
    case when barred is null then exp(floor) end as floor,
    case when barred is null then exp(least_change) end as visible,
    coalesce(repeats, 0) as repeats,
    missing_repeats,
    coalesce(repeats, 0) < 8 as provisional,
    exp(drift) as drift,
    is_shared
from judged
