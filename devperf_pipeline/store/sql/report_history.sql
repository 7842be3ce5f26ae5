-- One row is one baseline's reading of a benchmark whose history is drawn: of each service the first one that is no
-- floor, by the engine, at one user.
with chosen as (
    select baseline_id, stack from baselines where baseline_id = $baseline_id
),
firsts as (
    select service, benchmark
    from percentiles
    where baseline_id = $baseline_id and valid and instrument = 'engine' and load = 'closed-1' and operation <> 'floor'
    qualify row_number() over (partition by service order by position, benchmark) = 1
)
select
    f.service,
    f.benchmark,
    p.title,
    p.baseline_id,
    epoch_ns(b.began_at) as began_at_ns,
    p.p50_ns::bigint as p50_ns,
    p.p95_low_ns::bigint as p95_low_ns,
    p.p95_high_ns::bigint as p95_high_ns
from firsts as f
join percentiles as p on p.benchmark = f.benchmark
join baselines as b on b.baseline_id = p.baseline_id
cross join chosen as c
where p.valid and b.stack = c.stack and b.baseline_id <= c.baseline_id
order by f.service, began_at_ns
