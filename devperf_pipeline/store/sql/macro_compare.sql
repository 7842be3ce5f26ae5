-- One row is one benchmark of either baseline: like for like, b against a. Rounds are the unit: p50 is the median of the
-- rounds' p50, p95 the least of their p95, over as many rounds as both have.
-- The floor is what unchanged servers differ by: learnt from earlier baselines of the same machine and service where
-- there are three or more, else the spread (quartiles) of the rounds themselves. A verdict needs more than the floor, and 5 %.
create macro compare(a, b) as table
with both_of_them as (
    select baseline_id, stack from baselines where baseline_id in (a, b)
),
a_rows as (
    select * from percentiles where baseline_id = a
),
b_rows as (
    select * from percentiles where baseline_id = b
),
paired as (
    select
        coalesce(x.benchmark, y.benchmark) as benchmark,
        coalesce(x.service, y.service) as service,
        coalesce(x.title, y.title) as title,
        coalesce(x.users, y.users) as users,
        coalesce(x.instrument, y.instrument) as instrument,
        x.p50_ns as a_p50_ns, y.p50_ns as b_p50_ns,
        x.p95_ns as a_p95_ns, y.p95_ns as b_p95_ns,
        x.p95_low_ns as a_low_ns, x.p95_high_ns as a_high_ns,
        y.p95_low_ns as b_low_ns, y.p95_high_ns as b_high_ns,
        least(x.rounds, y.rounds) as rounds,
        case
            when x.benchmark is null then 'only b has it'
            when y.benchmark is null then 'only a has it'
            when not x.valid then 'a is not valid: ' || x.invalid_reason
            when not y.valid then 'b is not valid: ' || y.invalid_reason
            when split_part(x.placement, ':', 1) <> split_part(y.placement, ':', 1)
                then 'other placement: ' || x.placement || ' against ' || y.placement
        end as why_not
    from a_rows as x
    full join b_rows as y on y.benchmark = x.benchmark
),
-- The machine and the service, as far as they have to be the same to learn what chance does.
conditions as (
    select
        baseline_id, service,
        hash(list(key || '=' || value order by key) filter (key not in ('host', 'python'))) as mark
    from infrastructure
    where baseline_id in (
        select baseline_id
        from baselines
        where baseline_id in (a, b) or (baseline_id < b and stack in (select stack from both_of_them))
        order by baseline_id in (a, b) desc, baseline_id desc
        limit 22
    )
    group by baseline_id, service
),
alike as (
    select s.baseline_id, s.service
    from conditions as s
    join conditions as m on m.baseline_id = s.baseline_id and m.service = 'host'
    join conditions as bs on bs.baseline_id = b and bs.service = s.service and bs.mark = s.mark
    join conditions as bm on bm.baseline_id = b and bm.service = 'host' and bm.mark = m.mark
    where s.baseline_id not in (a, b)
),
wanted as (
    select r.baseline_id, r.benchmark, r.round, ln(r.p50_ns) as ln_p50, ln(r.p95_ns) as ln_p95
    from rounds as r
    join paired as p on p.benchmark = r.benchmark and r.round <= p.rounds and p.why_not is null
    where r.problem is null and r.p50_ns > 0
        and r.baseline_id in (select baseline_id from alike union all select a union all select b)
        and (
            r.baseline_id in (a, b)
            or exists (from alike as k where k.baseline_id = r.baseline_id and k.service = r.service)
        )
),
levels as (
    select
        baseline_id, benchmark,
        median(ln_p50) as ln_p50, min(ln_p95) as ln_p95,
        (quantile_cont(ln_p50, 0.75) - quantile_cont(ln_p50, 0.25)) / 1.349 as spread_p50,
        (quantile_cont(ln_p95, 0.75) - quantile_cont(ln_p95, 0.25)) / 1.349 as spread_p95,
        count(*) as rounds
    from wanted
    group by baseline_id, benchmark
),
learnt as (
    select
        benchmark,
        count(*) filter (baseline_id not in (a, b)) as repeats,
        stddev_samp(ln_p50) filter (baseline_id not in (a, b)) as sd_p50,
        stddev_samp(ln_p95) filter (baseline_id not in (a, b)) as sd_p95,
        max(spread_p50) filter (baseline_id in (a, b)) as spread_p50,
        max(spread_p95) filter (baseline_id in (a, b)) as spread_p95,
        min(rounds) filter (baseline_id in (a, b)) as rounds,
        any_value(ln_p50) filter (baseline_id = b) - any_value(ln_p50) filter (baseline_id = a) as d_p50,
        any_value(ln_p95) filter (baseline_id = b) - any_value(ln_p95) filter (baseline_id = a) as d_p95
    from levels
    group by benchmark
),
-- t quantiles at 97.5 % for 1 to 20 degrees of freedom: two-sided 95 %.
floors as (
    select
        *,
        case when repeats >= 3 then 'repeats' when rounds >= 3 then 'rounds' end as floor_from,
        sqrt(2) * [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
            2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086]
            [least(20, case when repeats >= 3 then repeats else rounds end - 1)::integer] as factor
    from learnt
),
judged as (
    select
        p.*, f.repeats, f.d_p50, f.d_p95, f.floor_from,
        factor * case when floor_from = 'repeats' then sd_p50 else spread_p50 end as floor_p50,
        factor * case when floor_from = 'repeats' then sd_p95 else spread_p95 end as floor_p95
    from paired as p
    left join floors as f using (benchmark)
)
select
    service,
    title,
    users,
    instrument,
    a_p50_ns / 1e6 as a_p50_ms,
    b_p50_ns / 1e6 as b_p50_ms,
    round(exp(d_p50), 3) as p50_ratio,
    a_p95_ns / 1e6 as a_p95_ms,
    b_p95_ns / 1e6 as b_p95_ms,
    round(exp(d_p95), 3) as p95_ratio,
    a_low_ns <= b_high_ns and b_low_ns <= a_high_ns as bounds_overlap,
    case
        when why_not is not null then 'not comparable: ' || why_not
        when d_p50 is null or floor_p50 is null then 'cannot tell: fewer than 3 rounds'
        when d_p50 > greatest(floor_p50, ln(1.05)) then 'slower'
        when -d_p50 > greatest(floor_p50, ln(1.05)) then 'faster'
        when abs(d_p50) + floor_p50 < ln(1.1) then 'no change'
        else 'cannot tell: a change below ' || greatest(5, ceil(100 * (exp(floor_p50) - 1)))::integer || ' % cannot be seen'
    end as verdict,
    case
        when why_not is not null then 'not comparable: ' || why_not
        when d_p95 is null or floor_p95 is null then 'cannot tell: fewer than 3 rounds'
        when d_p95 > greatest(floor_p95, ln(1.05)) then 'slower'
        when -d_p95 > greatest(floor_p95, ln(1.05)) then 'faster'
        when abs(d_p95) + floor_p95 < ln(1.1) then 'no change'
        else 'cannot tell: a change below ' || greatest(5, ceil(100 * (exp(floor_p95) - 1)))::integer || ' % cannot be seen'
    end as p95_verdict,
    floor_from,
    repeats,
    benchmark
from judged
order by benchmark
