-- One row is one baseline, with its samples and rounds counted; the table of rounds is filled before.
insert into baselines by name
select
    b.* exclude (samples, rounds),
    coalesce(sum(r.n), 0)::bigint as samples,
    count(r.round) as rounds
from read_parquet($files, hive_partitioning = false) as b
left join rounds as r on r.baseline_id = b.baseline_id
group by all
order by b.baseline_id
