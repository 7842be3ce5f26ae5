-- One row is one benchmark that both baselines measured: each one's rounds, and how much it moved over repeats.
-- Repeats are the newest 20 complete baselines of the stack before the newer one whose machine is the same and in
-- which the row is valid and was placed alike; sd is that of the logarithm of a baseline's figure.
with chosen as (
    select * from machines where baseline_id = $baseline_id
),
repeats as (
    select m.baseline_id
    from machines as m
    cross join chosen as c
    where m.stack = c.stack and m.state = 'complete' and m.baseline_id < c.baseline_id
        and m.machine is not distinct from c.machine
    order by m.baseline_id desc
    limit 20
),
figures as (
    select
        baseline_id,
        benchmark,
        p.valid,
        p.invalid_reason,
        p.placement,
        p.title,
        p.position,
        list(r.p50_ns order by r.round) filter (where quiet) as p50s_ns,
        list(r.p95_ns order by r.round) filter (where quiet and r.n >= 72) as p95s_ns,
        count(*)::integer as rounds
    from percentiles as p
    join (
        select *, problem is null and p50_ns > 0 and coalesce(other_cpu, 0) <= 0.3 as quiet from rounds
    ) as r using (baseline_id, benchmark)
    where p.load like 'closed-%'
        and (baseline_id in ($baseline_id, $reference_id) or baseline_id in (from repeats))
    group by all
),
spread as (
    select
        f.benchmark,
        f.placement,
        count(list_median(p50s_ns))::integer as p50_repeats,
        stddev_samp(ln(list_median(p50s_ns))) as p50_sd,
        count(list_min(p95s_ns))::integer as p95_repeats,
        stddev_samp(ln(list_min(p95s_ns))) as p95_sd
    from figures as f
    where f.valid and f.baseline_id in (from repeats)
    group by all
)
select
    split_part(a.benchmark, '/', 1) as service,
    a.benchmark,
    a.title,
    split_part(a.benchmark, '/', 2) as operation,
    a.valid as valid,
    a.invalid_reason as invalid_reason,
    a.placement as placement,
    a.rounds as rounds,
    a.p50s_ns as p50s_ns,
    a.p95s_ns as p95s_ns,
    b.valid as before_valid,
    b.invalid_reason as before_invalid_reason,
    b.placement as before_placement,
    b.rounds as before_rounds,
    b.p50s_ns as before_p50s_ns,
    b.p95s_ns as before_p95s_ns,
    coalesce(s.p50_repeats, 0) as p50_repeats,
    s.p50_sd,
    coalesce(s.p95_repeats, 0) as p95_repeats,
    s.p95_sd
from figures as a
join figures as b on b.benchmark = a.benchmark and b.baseline_id = $reference_id
left join spread as s on s.benchmark = a.benchmark and s.placement = a.placement
where a.baseline_id = $baseline_id
order by service, a.position, a.benchmark
