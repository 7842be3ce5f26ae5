-- One row is one metric of one benchmark of a baseline against its reference, in the order of services and operations.
select
    c.service, p.operation, c.title, c.benchmark, c.metric, c.verdict, c.reason, c.before_ns, c.now_ns, c.ratio,
    c.visible, c.repeats, c.missing_repeats, c.provisional, c.drift, b.plan as plan_before, p.plan as plan_now
from compared((select list({before: reference_id, now: baseline_id}) from machines where baseline_id = $baseline_id)) as c
join percentiles as p using (baseline_id, benchmark)
join percentiles as b on b.baseline_id = c.reference_id and b.benchmark = c.benchmark
where c.baseline_id = $baseline_id
order by c.service, p.position, c.benchmark, c.metric
