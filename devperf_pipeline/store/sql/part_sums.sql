-- One row: how many calls a part has, and sums that would differ if any of them were damaged.
select
    count(*),
    coalesce(sum(end_ns), 0)::bigint,
    coalesce(sum(latency_ns), 0)::bigint,
    coalesce(sum(outcome), 0)::bigint
from read_parquet($part, hive_partitioning = false)
where baseline_id is not null and benchmark is not null and round is not null and phase is not null
