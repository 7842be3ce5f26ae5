-- One row is one baseline of the same stack, up to this one, newest first, with what ran another version than before.
with chosen as (
    select baseline_id, stack from baselines where baseline_id = $baseline_id
),
versions as (
    select
        s.baseline_id,
        s.service,
        s.version,
        lag(s.version) over (partition by s.service order by s.baseline_id) as before
    from services as s
    join baselines as b using (baseline_id)
    cross join chosen as c
    where b.stack = c.stack and s.version is not null
),
rows as (
    select baseline_id, count(*) as benchmarks, count(*) filter (where not valid) as invalid
    from percentiles
    group by baseline_id
)
select
    b.baseline_id,
    epoch_ns(b.began_at) as began_at_ns,
    b.profile,
    b.state,
    b.samples,
    coalesce(r.benchmarks, 0) as benchmarks,
    coalesce(r.invalid, 0) as invalid,
    (
        select coalesce(list(v.service || ' ' || v.before || ' → ' || v.version order by v.service), [])
        from versions as v
        where v.baseline_id = b.baseline_id and v.before is distinct from v.version and v.before is not null
    ) as updates
from baselines as b
cross join chosen as c
left join rows as r on r.baseline_id = b.baseline_id
where b.stack = c.stack and b.baseline_id <= c.baseline_id
order by b.baseline_id desc
limit 20
