-- One row is one bottleneck or cost that a baseline was searched for, where it has the rows for that: what it costs a
-- call, from the lowest to the highest round, whether its rule holds, and what became of it since the baseline before.
create table findings as
with levels as (
    select r.baseline_id, r.service, r.operation, r.users, r.round, r.p50_ns
    from rounds as r
    join percentiles as p using (baseline_id, benchmark)
    where p.valid and r.problem is null and r.p50_ns > 0 and r.load = 'closed-1' and r.instrument = 'engine'
),
-- What a route takes beyond GET / of the same round: the way there is gone once, however many dependencies are asked.
beyond as (
    select
        h.baseline_id, h.service, h.operation, h.round, h.p50_ns,
        greatest(h.p50_ns - r.p50_ns, 0) as beyond_ns
    from levels as h
    join levels as r
        on r.baseline_id = h.baseline_id and r.service = h.service and r.round = h.round and r.operation = 'get-root'
    where h.operation like 'get-health-%'
),
parts as (
    select baseline_id, service, round, sum(beyond_ns) as sum_ns, max(beyond_ns) as max_ns, count(*) as parts
    from beyond
    where operation <> 'get-health-all'
    group by all
    having parts >= 2 and sum_ns > 0
),
health as (
    select
        a.baseline_id, a.service, a.operation, 1 as users,
        min(p.parts) || coalesce(' of its ' || any_value(len(string_split(w.value, ', '))) || ' parts', ' parts')
            || ', one by one' as against,
        count(*) as rounds,
        median(a.p50_ns) as p50_ns,
        median(p.sum_ns - p.max_ns) as impact_ns,
        min(p.sum_ns - p.max_ns) as low_ns,
        max(p.sum_ns - p.max_ns) as high_ns,
        median(a.beyond_ns / p.sum_ns) as ratio,
        min(a.beyond_ns / p.sum_ns) as ratio_low,
        max(a.beyond_ns / p.sum_ns) as ratio_high,
        -- Of an API that does not say how it asks, an aggregate that is long may be long by parts that were not measured.
        case
            when any_value(i.value) is not null then any_value(i.value) = 'sequential'
            when coalesce(any_value(len(string_split(w.value, ', '))) > min(p.parts), min(a.beyond_ns / p.sum_ns) > 1.5)
                then null
            else true
        end as admitted
    from beyond as a
    join parts as p using (baseline_id, service, round)
    left join infrastructure as i
        on i.baseline_id = a.baseline_id and i.service = a.service and i.key = 'aggregation'
    left join infrastructure as w
        on w.baseline_id = a.baseline_id and w.service = a.service and w.key = '/health/all asks'
    where a.operation = 'get-health-all'
    group by a.baseline_id, a.service, a.operation
),
queried as (
    select
        a.baseline_id, a.service, a.operation, a.users, a.round,
        a.p50_ns, a.p50_ns - r.p50_ns - q.p50_ns as beyond_ns, (a.p50_ns - r.p50_ns) / q.p50_ns as ratio
    from levels as a
    join levels as r
        on r.baseline_id = a.baseline_id and r.service = a.service and r.round = a.round and r.operation = 'get-root'
    join partners as w on w.baseline_id = a.baseline_id and w.service = a.service and w.kind = 'postgresql'
    join levels as q
        on q.baseline_id = a.baseline_id and q.round = a.round
        and q.service = w.against_service and q.operation = 'select-by-key'
    where a.operation = 'get-examples-database-postgres-query'
),
connection as (
    select
        baseline_id, service, operation, users, 'GET / and a SELECT by key on PostgreSQL' as against,
        count(*) as rounds, median(p50_ns) as p50_ns,
        median(beyond_ns) as impact_ns, min(beyond_ns) as low_ns, max(beyond_ns) as high_ns,
        median(ratio) as ratio, min(ratio) as ratio_low, max(ratio) as ratio_high
    from queried
    group by baseline_id, service, operation, users
),
busy as (
    select baseline_id, service, benchmark, quantile_disc(cpu_percent, 0.5) as cpu_percent
    from resource_samples
    where benchmark is not null
    group by all
    having count(cpu_percent) >= 3
),
sweep as (
    select
        p.baseline_id, p.service, p.operation, p.users, p.throughput_per_s, p.placement, b.cpu_percent,
        -- "apart:1|0" is a client on core 1 and servers on core 0; of "free" nobody knows.
        case
            when starts_with(p.placement, 'apart:') then len(string_split(split_part(p.placement, '|', 2), ','))
            when starts_with(p.placement, 'together:') then len(string_split(p.placement, ','))
        end as server_cores
    from percentiles as p
    left join busy as b using (baseline_id, service, benchmark)
    where p.valid and p.load like 'sustained-%' and p.instrument = 'engine' and p.throughput_per_s > 0
),
-- The loads that findings about throughput are made of: that with most users, and that with most users during which the
-- processes were read.
crowds as (
    select 'overload' as finding, *
    from sweep
    qualify row_number() over (partition by baseline_id, service, operation order by users desc) = 1
    union all
    select 'saturated-core' as finding, *
    from sweep
    where cpu_percent is not null
    qualify row_number() over (partition by baseline_id, service, operation order by users desc) = 1
),
-- Overload is told against all fewer users on the same cores, a full core against a quarter of the users or fewer.
crowded as (
    select
        s.finding, s.baseline_id, s.service, s.operation, s.users,
        max_by(q.users, q.throughput_per_s) || case max_by(q.users, q.throughput_per_s) when 1 then ' user' else ' users' end
            as against,
        1 as rounds,
        1e9 / any_value(s.throughput_per_s) as p50_ns,
        0 as impact_ns, 0 as low_ns, 0 as high_ns,
        any_value(s.throughput_per_s) / max(q.throughput_per_s) as ratio,
        ratio as ratio_low,
        ratio as ratio_high,
        case s.finding
            when 'overload' then ratio < 0.8
            else ratio < 1.1 and any_value(s.cpu_percent) between 90 and 120
        end as admitted,
        any_value(s.server_cores) as server_cores
    from crowds as s
    join sweep as q
        on q.baseline_id = s.baseline_id and q.service = s.service and q.operation = s.operation
        and case s.finding
            when 'overload' then q.users < s.users and q.placement = s.placement
            else q.users * 4 <= s.users
        end
    group by s.finding, s.baseline_id, s.service, s.operation, s.users
),
-- Of each service the load that its CPU limit stopped most; rounds are short, so whether it did is told by all together.
-- How much it costs a call cannot be told: few calls stand still for long, and a user who waits for one makes no others.
limited as (
    select
        p.baseline_id, p.service, p.operation, p.users,
        case when p.p99_ns > 10 * p.p50_ns then 'p99 is the CPU limit: ' else 'the slowest calls are the CPU limit: ' end
            || coalesce(i.value || ', ', '') || 'throttled in '
            || round(100 * p.throttled_periods / p.periods)::integer || ' % of the periods' as against,
        1 as rounds, p.p50_ns, 0 as impact_ns, 0 as low_ns, 0 as high_ns,
        p.throttled_periods / p.periods as ratio, ratio as ratio_low, ratio as ratio_high,
        sum(p.throttled_periods) over service >= 0.05 * sum(p.periods) over service as admitted
    from percentiles as p
    left join infrastructure as i
        on i.baseline_id = p.baseline_id and i.service = p.service and i.key = 'container cpu limit'
    where p.valid and p.instrument = 'engine' and p.periods > 0
    window service as (partition by p.baseline_id, p.service)
    qualify sum(p.periods) over service >= 10 and row_number() over (
        partition by p.baseline_id, p.service order by ratio desc, p.periods desc, p.users desc, p.operation
    ) = 1
),
-- What Vault itself takes for a KV read: the rest of such a route is the work of the API.
secrets as (
    select w.baseline_id, w.service, w.kind as finding, median(l.p50_ns) as behind_ns
    from partners as w
    join levels as l on l.baseline_id = w.baseline_id and l.service = w.against_service
    where w.kind = 'vault' and l.operation = 'kv-read'
    group by all
),
found as (
    select
        baseline_id, topic as finding, service, operation, users,
        case when against_service = service then against_operation else against_service end as against,
        rounds, p50_ns, difference_ns as impact_ns, difference_low_ns as low_ns, difference_high_ns as high_ns,
        ratio, ratio_low, ratio_high, true as admitted
    from differences
    where topic not like 'layer: %'
    union all by name select *, 'sequential-health' as finding from health
    union all by name select *, 'connection-per-request' as finding, true as admitted from connection
    union all by name select *, 'cpu-limit' as finding from limited
    -- Where a full core says why, that is the finding.
    union all by name
    from crowded as c
    where c.finding <> 'overload' or not exists (
        from crowded as f
        where f.finding = 'saturated-core' and f.admitted
            and f.baseline_id = c.baseline_id and f.service = c.service and f.operation = c.operation
    )
),
-- Every round must say so for a finding to hold, and every round must deny it for it to be gone; else it cannot be told.
judged as (
    select
        m.stack, m.machine, f.*, s.behind_ns, r.kind, r.title, r.rule, r.remedy, r.gain,
        case
            when f.rounds < 3 and f.finding not in ('saturated-core', 'overload', 'cpu-limit') then null
            when not f.admitted then false
            when f.finding in ('saturated-core', 'overload', 'cpu-limit') then true
            when f.ratio_high < r.least_ratio or f.high_ns < r.least_ns then false
            when f.admitted is null then null
            when f.ratio_low >= r.least_ratio and f.low_ns >= r.least_ns then true
        end as told
    from found as f
    join rules as r on r.topic = f.finding
    join machines as m using (baseline_id)
    left join secrets as s using (baseline_id, service, finding)
),
followed as (
    select
        *,
        lag(told ignore nulls) over since as held,
        lag(case when told is not null then low_ns end ignore nulls) over since as before_low_ns,
        lag(case when told is not null then baseline_id end ignore nulls) over since as before_id
    from judged
    window since as (
        partition by stack, machine, finding, service,
            case when finding <> 'cpu-limit' then operation end, case when finding <> 'cpu-limit' then users end
        order by baseline_id
    )
)
select
    baseline_id, finding, kind, title, service, operation, users, against,
    coalesce(told, false) as holds,
    case
        when told and held and assumed_floor() * high_ns < before_low_ns then 'improved'
        when told then 'open'
        when told is null then 'cannot tell'
        when held then 'optimised'
        else 'not found'
    end as status,
    before_id as against_baseline_id,
    p50_ns::bigint as p50_ns,
    impact_ns::bigint as impact_ns,
    low_ns::bigint as impact_low_ns,
    high_ns::bigint as impact_high_ns,
    ratio, ratio_low, ratio_high,
    rounds::integer as rounds,
    behind_ns::bigint as behind_ns,
    server_cores::integer as server_cores,
    rule, remedy, gain
from followed
