-- One row is one benchmark set against another of the same baseline, round beside round: what the first costs more.
-- Rounds of one number were measured within one pass over the stack, so their ratio is freer of the machine's moods
-- than that of two medians. Low and high are the lowest and the highest round: of five, they hold the true median in
-- 94 of 100 baselines.
create view differences as
with pairs as (
    select topic, string_split(pair[1], '/') as a, string_split(pair[2], '/') as b
    from (select topic, unnest(pairs) as pair from rules)
),
levels as (
    select
        r.baseline_id, r.service, kind_of(r.service) as kind, r.operation, r.instrument, r.load, r.users, r.round,
        r.p50_ns
    from rounds as r
    join percentiles as p using (baseline_id, benchmark)
    where p.valid and r.problem is null and r.p50_ns > 0 and r.load like 'closed-%'
)
select
    a.baseline_id,
    p.topic,
    a.service,
    a.operation,
    a.instrument,
    a.users,
    b.service as against_service,
    b.operation as against_operation,
    b.instrument as against_instrument,
    count(*)::integer as rounds,
    median(a.p50_ns)::bigint as p50_ns,
    median(b.p50_ns)::bigint as against_p50_ns,
    median(a.p50_ns - b.p50_ns)::bigint as difference_ns,
    min(a.p50_ns - b.p50_ns)::bigint as difference_low_ns,
    max(a.p50_ns - b.p50_ns)::bigint as difference_high_ns,
    median(a.p50_ns / b.p50_ns) as ratio,
    min(a.p50_ns / b.p50_ns) as ratio_low,
    max(a.p50_ns / b.p50_ns) as ratio_high
from pairs as p
join levels as a
    on p.a[1] in ('*', a.kind)
    and a.operation = p.a[2]
    and a.load = coalesce(nullif(p.a[3], '*'), a.load)
    and a.instrument = p.a[4]
left join partners as w on w.baseline_id = a.baseline_id and w.service = a.service and w.kind = p.b[1]
join levels as b
    on b.baseline_id = a.baseline_id
    and b.round = a.round
    and b.service = case p.b[1] when '*' then a.service else w.against_service end
    and b.operation = p.b[2]
    and b.load = a.load
    and b.instrument = p.b[4]
group by all
