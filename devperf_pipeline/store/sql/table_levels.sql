-- One row is one benchmark of a baseline: of p50 and of p95 the figure that stands for its quiet rounds, and how far it
-- moves by itself, within the baseline and between baselines. Quiet rounds are those that say something of the service
-- while other processes left it the cores. The figure is the median of the rounds' p50 and the least of their p95: what
-- disturbs a round only makes its tail longer. Two runs of a machine differ more than the rounds within one do, so that
-- is learnt from repeats: of the 20 complete baselines before on the same machine and stack those in which the row is
-- valid and placed alike.
create table levels as
with quiet as (
    select
        baseline_id,
        benchmark,
        median(p50_ns) as p50_ns,
        min(p50_ns) as p50_least_ns,
        max(p50_ns) as p50_most_ns,
        stddev_samp(ln(p50_ns)) as p50_sd,
        count(*) as p50_rounds,
        min(p95_ns) filter (n >= calls_needed(0.95)) as p95_ns,
        max(p95_ns) filter (n >= calls_needed(0.95)) as p95_most_ns,
        stddev_samp(ln(p95_ns)) filter (n >= calls_needed(0.95)) as p95_sd,
        count(*) filter (n >= calls_needed(0.95)) as p95_rounds
    from rounds
    where problem is null and p50_ns > 0 and is_busy(other_cpu) is not true
    group by baseline_id, benchmark
),
numbered as (
    select
        *,
        dense_rank() over (order by stack, machine) as group_number,
        count(*) filter (state = 'complete') over (
            partition by stack, machine order by baseline_id rows between unbounded preceding and 1 preceding
        ) as complete_before
    from machines
),
learnt as (
    select
        p.baseline_id,
        p.benchmark,
        p.placement,
        case when not p.valid then coalesce(p.invalid_reason, 'no reason was stored') end as problem,
        q.* exclude (baseline_id, benchmark),
        m.state = 'complete' and p.valid as is_repeat,
        count(q.p50_ns) filter (is_repeat) over repeats as p50_repeats,
        stddev_samp(ln(q.p50_ns)) filter (is_repeat) over repeats as p50_between,
        count(q.p95_ns) filter (is_repeat) over repeats as p95_repeats,
        stddev_samp(ln(q.p95_ns)) filter (is_repeat) over repeats as p95_between
    from percentiles as p
    join numbered as m using (baseline_id)
    left join quiet as q using (baseline_id, benchmark)
    window repeats as (
        partition by m.group_number, p.benchmark, p.placement
        order by m.complete_before range between 20 preceding and 1 preceding
    )
)
select
    baseline_id,
    benchmark,
    placement,
    problem,
    {
        figure_ns: p50_ns, least_ns: p50_least_ns, most_ns: p50_most_ns, rounds: coalesce(p50_rounds, 0),
        within_log: $t[least(len($t), p50_rounds - 1)] * p50_sd / sqrt(p50_rounds),
        repeats: p50_repeats, between_log: $t[p50_repeats - 1] * sqrt(2) * p50_between
    } as p50,
    {
        figure_ns: p95_ns::double, least_ns: p95_ns, most_ns: p95_most_ns, rounds: coalesce(p95_rounds, 0),
        within_log: $t[least(len($t), p95_rounds - 1)] * p95_sd / sqrt(p95_rounds),
        repeats: p95_repeats, between_log: $t[p95_repeats - 1] * sqrt(2) * p95_between
    } as p95
from learnt
