-- One row is one benchmark of either baseline: like for like, b against a. Quiet rounds are the unit: p50 is the median
-- of the rounds' p50, p95 the least of their p95.
-- A difference counts where it exceeds the floor and 5 %. The floor is what two runs of the same machine differ by:
-- learnt from up to 20 complete baselines before the later of the two where there are three or more, else assumed to be
-- 50 %, and then five rounds or more of one have to lie beyond all of the other; it is at least the spread of the rounds.
create macro compare(a, b) as table
with repeats as (
    select m.baseline_id
    from machines as m
    join machines as c on c.baseline_id = greatest(a, b) and c.stack = m.stack
    where m.state = 'complete' and m.baseline_id < greatest(a, b) and m.machine is not distinct from c.machine
    order by m.baseline_id desc
    limit 20
),
asked as (
    select a as baseline_id
    union
    select b
    union
    select baseline_id from repeats
),
quiet as (
    select
        r.baseline_id,
        r.benchmark,
        median(r.p50_ns) as p50_ns,
        min(r.p50_ns) as p50_least,
        max(r.p50_ns) as p50_most,
        stddev_samp(ln(r.p50_ns)) as p50_sd,
        count(*) as p50_rounds,
        min(r.p95_ns) filter (r.n >= 72) as p95_ns,
        min(r.p95_ns) filter (r.n >= 72) as p95_least,
        max(r.p95_ns) filter (r.n >= 72) as p95_most,
        stddev_samp(ln(r.p95_ns)) filter (r.n >= 72) as p95_sd,
        count(*) filter (r.n >= 72) as p95_rounds
    from rounds as r
    join asked using (baseline_id)
    where r.problem is null and r.p50_ns > 0 and coalesce(r.other_cpu, 0) <= 0.3
    group by r.baseline_id, r.benchmark
),
rows_of as (
    select p.*, m.machine, q.* exclude (baseline_id, benchmark, p50_ns, p95_ns),
        q.p50_ns as p50_figure, q.p95_ns as p95_figure
    from percentiles as p
    join asked using (baseline_id)
    join machines as m using (baseline_id)
    left join quiet as q using (baseline_id, benchmark)
),
learnt as (
    select
        benchmark,
        placement,
        count(p50_figure) as p50_repeats,
        stddev_samp(ln(p50_figure)) as p50_between,
        count(p95_figure) as p95_repeats,
        stddev_samp(ln(p95_figure)) as p95_between
    from rows_of
    where valid and baseline_id in (select baseline_id from repeats)
    group by benchmark, placement
),
paired as (
    select
        coalesce(x.benchmark, y.benchmark) as benchmark,
        coalesce(x.service, y.service) as service,
        coalesce(x.title, y.title) as title,
        coalesce(x.users, y.users) as users,
        coalesce(x.instrument, y.instrument) as instrument,
        case
            when x.benchmark is null then 'only b has it'
            when y.benchmark is null then 'only a has it'
            when not x.valid then 'a is not valid: ' || x.invalid_reason
            when not y.valid then 'b is not valid: ' || y.invalid_reason
            when x.machine is distinct from y.machine
                then 'another machine: ' || coalesce(x.machine, 'unknown') || ' against ' || coalesce(y.machine, 'unknown')
            when x.placement <> y.placement then 'placed ' || x.placement || ' in a, ' || y.placement || ' in b'
        end as why_not,
        x.p95_low_ns <= y.p95_high_ns and y.p95_low_ns <= x.p95_high_ns as bounds_overlap,
        least(x.placement, y.placement) as placement,
        unnest([
            {
                metric: 'p50', a_ns: x.p50_ns, b_ns: y.p50_ns, a_figure: x.p50_figure, b_figure: y.p50_figure,
                a_least: x.p50_least, a_most: x.p50_most, b_least: y.p50_least, b_most: y.p50_most,
                a_sd: x.p50_sd, b_sd: y.p50_sd, a_rounds: x.p50_rounds, b_rounds: y.p50_rounds
            },
            {
                metric: 'p95', a_ns: x.p95_ns, b_ns: y.p95_ns, a_figure: x.p95_figure, b_figure: y.p95_figure,
                a_least: x.p95_least, a_most: x.p95_most, b_least: y.p95_least, b_most: y.p95_most,
                a_sd: x.p95_sd, b_sd: y.p95_sd, a_rounds: x.p95_rounds, b_rounds: y.p95_rounds
            }
        ]) as it
    from (select * from rows_of where baseline_id = a) as x
    full join (select * from rows_of where baseline_id = b) as y on y.benchmark = x.benchmark
),
floors as (
    select
        p.* exclude (it),
        it.*,
        ln(it.b_figure / it.a_figure) as change,
        case it.metric when 'p50' then l.p50_repeats else l.p95_repeats end as repeats,
        case it.metric when 'p50' then l.p50_between else l.p95_between end as between_sd,
        -- 97.5 % quantiles of Student's t for 1 to 19 degrees of freedom.
        [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
            2.120, 2.110, 2.101, 2.093] as t
    from paired as p
    left join learnt as l on l.benchmark = p.benchmark and l.placement = p.placement
),
known as (
    select
        *,
        coalesce(repeats >= 3, false) as is_known,
        least(a_rounds, b_rounds) >= 5 and (a_most < b_least or b_most < a_least) as is_apart,
        greatest(
            case when repeats >= 3 then t[repeats - 1] * sqrt(2) * between_sd else ln(1.5) end,
            sqrt(
                (t[least(19, a_rounds - 1)] * a_sd) ** 2 / a_rounds + (t[least(19, b_rounds - 1)] * b_sd) ** 2 / b_rounds
            )
        ) as floor
    from floors
),
-- What ten benchmarks or more moved by together is the machine's doing: whoever moved with them is blamed for what is
-- beyond that alone, and where it is more than a fifth not at all.
drifting as (
    select
        *,
        why_not is null and least(a_rounds, b_rounds) >= 3 as is_compared,
        case
            when count(*) filter (metric = 'p50' and is_compared) over () >= 10
                then median(case when metric = 'p50' and is_compared then change end) over ()
        end as drift,
        coalesce(
            change * drift > 0
                and (abs(drift) > ln(1.2) or abs(change) - abs(drift) <= greatest(floor, ln(1.05))),
            false
        ) as is_along
    from known
),
judged as (
    select
        *,
        case
            when why_not is not null then 'not comparable: ' || why_not
            when coalesce(least(a_rounds, b_rounds), 0) < 3 or a_figure is null or b_figure is null
                then 'cannot tell: fewer than 3 rounds were long and quiet enough'
            when change > greatest(floor, ln(1.05)) and (is_known or is_apart) and not is_along then 'slower'
            when -change > greatest(floor, ln(1.05)) and (is_known or is_apart) and not is_along then 'faster'
            when is_along and abs(change) > greatest(floor, ln(1.05)) and (is_known or is_apart)
                then 'cannot tell: it moved with all the others, so the machine did'
            when abs(change) + floor < ln(1.1) then 'no change'
            else 'cannot tell: less than ' || ceil(100 * (exp(greatest(floor, ln(1.05))) - 1))::integer
                || ' % could not be seen'
        end as verdict
    from drifting
)
select
    service,
    title,
    users,
    instrument,
    any_value(a_ns) filter (metric = 'p50') / 1e6 as a_p50_ms,
    any_value(b_ns) filter (metric = 'p50') / 1e6 as b_p50_ms,
    round(exp(any_value(change) filter (metric = 'p50')), 3) as p50_ratio,
    any_value(verdict) filter (metric = 'p50') as verdict,
    any_value(a_ns) filter (metric = 'p95') / 1e6 as a_p95_ms,
    any_value(b_ns) filter (metric = 'p95') / 1e6 as b_p95_ms,
    round(exp(any_value(change) filter (metric = 'p95')), 3) as p95_ratio,
    any_value(verdict) filter (metric = 'p95') as p95_verdict,
    any_value(bounds_overlap) as bounds_overlap,
    coalesce(any_value(repeats) filter (metric = 'p50'), 0) as repeats,
    benchmark
from judged
group by service, title, users, instrument, benchmark
order by benchmark
