-- One row is one cell of a published baseline, and what the baseline of that id measured in its place, or why it did not.
-- In the place of a published service stands ours of that kind: the one called by it alone, or else the first by name.
create macro coverage_of(the_baseline) as table
with chosen as (
    select baseline_id, stack from baselines where baseline_id = the_baseline
),
measured as (
    select m.* from measurements as m join chosen using (baseline_id)
),
standing as (
    select kind_of(s.service) as published_service, min(s.service) as service
    from services as s
    join chosen using (baseline_id)
    group by all
),
known as (
    select
        c.*,
        coalesce(r.kind, 'absent') as kind,
        coalesce(r.name, c.subject) as published_name,
        split_part(published_name, '/', case r.kind when 'finding' then 2 else 1 end) as published_service,
        coalesce(r.otherwise, case when r.kind is null then 'no reading of ours is the like of it' end) as otherwise,
        p.measure,
        p.divisor,
        p.query
    from published_cells as c
    left join published_rows as r
        on r.published_id = c.published_id and r.table_name = c.table_name and r.subject = c.subject
        and r.row_name = c.row_name and coalesce(r.metric, c.metric) = c.metric
    left join published_metrics as p
        on p.published_id = c.published_id and p.kind = r.kind and p.metric = c.metric
),
cells as (
    select
        k.*,
        (select baseline_id from chosen) as baseline_id,
        coalesce(s.service, k.published_service) as service,
        case k.kind
            when 'finding' then split_part(k.published_name, '/', 1) || '/' || coalesce(s.service, k.published_service)
            else coalesce(s.service, k.published_service) || substr(k.published_name, length(k.published_service) + 1)
        end as name
    from known as k
    left join standing as s on s.published_service = k.published_service
),
-- Where a cache answers in an API's place, its load test asks of the cache, and its name says so.
named as (
    select * replace (
        case
            when kind = 'load_test' and not exists (from measured as m where m.kind = 'load_test' and m.name = c.name)
                and exists (
                    from measured as m
                    where m.kind = 'load_test' and m.name = replace(c.name, '/sustained-', '-cached/sustained-')
                ) then replace(name, '/sustained-', '-cached/sustained-')
            else name
        end as name
    )
    from cells as c
),
filled as (
    select
        c.*,
        m.value / c.divisor as reading,
        coalesce(
            case when c.kind <> 'fact' or c.divisor = 1 then m.text end,
            case when m.value % c.divisor = 0 then (m.value / c.divisor)::bigint::varchar end,
            round(m.value / c.divisor, 5 - floor(log10(abs(m.value / c.divisor)))::integer)::varchar
        ) as measured,
        m.reason as said,
        m.kind is not null as is_known,
        exists (from measured as o where o.kind = c.kind and o.name = c.name) as is_measured,
        s.service is not null as asked,
        -- A service that is not in the stack, or does not let a row be measured, has no cell here.
        c.service || ' does not let it be measured: ' || (
            select any_value(r.reason)
            from refused_rows as r
            where r.baseline_id = c.baseline_id and r.service = c.service and (
                c.kind in ('benchmark', 'load_test') and r.title = c.row_name
                or c.kind = 'load_test' and (r.title = 'GET /health/all' or r.title like '%load tests%')
                or c.kind = 'memory' and r.title like '%memory per request%'
            )
        ) as refused,
        case
            when c.kind in ('benchmark', 'load_test', 'tool', 'memory') and exists (
                from infrastructure as i
                where i.baseline_id = c.baseline_id and i.service = 'stack' and i.key = 'services'
                    and not list_contains(string_split(i.value, ', '), c.service)
            ) then 'the stack has no ' || c.service
        end as elsewhere,
        s.state,
        s.reason as not_measured
    from named as c
    left join measured as m on m.kind = c.kind and m.name = c.name and m.measure = c.measure
    left join services as s on s.baseline_id = c.baseline_id and s.service = c.service
)
select
    table_name,
    subject,
    row_name,
    metric,
    unit,
    published,
    measured,
    kind <> 'absent' and (
        measured is not null
        or coalesce(elsewhere, refused) is null and (otherwise is null or (kind = 'fact' and not is_known))
    ) as applies,
    case
        when measured is not null then said
        when kind = 'absent' then otherwise
        when baseline_id is null then 'nothing is measured yet; measure the stack: devperf baseline'
        when otherwise is not null and (kind <> 'fact' or is_known) then otherwise
        when elsewhere is not null then elsewhere
        when refused is not null then refused
        when said is not null then said
        when service not in ('host', 'stack') and kind <> 'finding' and not asked
            then service || ' was not asked for in this baseline; measure the whole stack: devperf baseline'
        when not_measured is not null
            then service || ' was ' || coalesce(state, 'cut short') || ': ' || not_measured
        when kind = 'fact' then 'the baseline has no such fact; the next one may: devperf baseline'
        when is_measured and kind <> 'fact' then 'measured, but this figure of it cannot be read on this machine'
        when kind in ('load_test', 'tool', 'use', 'memory')
            then 'not measured in this baseline: its '
                || case kind when 'load_test' then 'load tests' when 'tool' then 'reference tools' else 'resources' end
                || ' were not asked for, or it was cut short; measure everything: devperf baseline'
        when kind = 'finding' then 'the rows that this finding is computed from were not measured in this baseline'
        else name || ' has no samples in this baseline, which was cut short or does not have that operation; measure again: devperf baseline'
    end as reason,
    reading as value,
    replace(replace(replace(replace(replace(
        query,
        '{baseline}', replace(baseline_id, '''', '''''')),
        '{service}', service),
        '{operation}', split_part(name, '/', 2)),
        '{rest}', case kind when 'finding' then split_part(name, '/', 1) else substr(name, length(service) + 2) end),
        '{name}', name
    ) as query,
    kind,
    name,
    baseline_id,
    published_id,
    position
from filled
order by position
