-- One row is one call: the one at that rank of its benchmark's latencies, counted from 1.
with wanted as (
    select distinct unnest($benchmarks::varchar[]) as benchmark, unnest($ranks::bigint[]) as rank
),
ordered as (
    select benchmark, latency_ns, row_number() over (partition by benchmark order by latency_ns) as rank
    from read_parquet($file, hive_partitioning = false)
    where benchmark in (select benchmark from wanted)
)
select benchmark, rank, latency_ns from ordered join wanted using (benchmark, rank)
