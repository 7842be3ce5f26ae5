-- One row is one second of a sustained benchmark: the calls that began in it.
select
    ((epoch_ns(r.began_at) + s.begin_ns) // 1000000000)::bigint as second,
    count(*) as n,
    quantile_disc(s.latency_ns, 0.5)::bigint as p50_ns,
    quantile_disc(s.latency_ns, 0.95)::bigint as p95_ns
from samples as s
join rounds as r using (baseline_id, benchmark, round)
where s.baseline_id = $baseline_id and s.benchmark = $benchmark
group by second
order by second
