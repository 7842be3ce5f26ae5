-- One row is one piece of a sustained benchmark, so many nanoseconds long: the calls that began in it.
select
    (((epoch_ns(r.began_at) + s.begin_ns) // $bucket_ns + 0.5) * $bucket_ns)::bigint as at_ns,
    count(*) as n,
    quantile_disc(s.latency_ns, 0.5)::bigint as p50_ns,
    quantile_disc(s.latency_ns, 0.95)::bigint as p95_ns
from samples as s
join rounds as r using (baseline_id, benchmark, round)
where s.baseline_id = $baseline_id and s.benchmark = $benchmark
group by at_ns
order by at_ns
