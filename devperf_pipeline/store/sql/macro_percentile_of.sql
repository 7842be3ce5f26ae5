-- One row is one baseline: the percentile q (0 to 1) of a benchmark, exact, from every single call (nearest rank).
create macro percentile_of(of_benchmark, q, in_baseline := null) as table
select
    baseline_id,
    count(*) as n,
    quantile_disc(latency_ns, q) as latency_ns,
    quantile_disc(latency_ns, q) / 1e6 as latency_ms
from samples
where benchmark = of_benchmark and baseline_id = coalesce(in_baseline, baseline_id)
group by baseline_id
order by baseline_id
