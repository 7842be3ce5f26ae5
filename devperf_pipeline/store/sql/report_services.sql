-- One row is one service of the baseline's stack: whether this baseline was about it, what became of it,
-- and what ran when it was last looked at, up to this baseline.
with chosen as (
    select baseline_id, stack from baselines where baseline_id = $baseline_id
),
looks as (
    select s.*, c.baseline_id as chosen_id
    from services as s
    join baselines as b using (baseline_id)
    cross join chosen as c
    where b.stack = c.stack and s.baseline_id <= c.baseline_id
)
select
    service,
    bool_or(baseline_id = chosen_id) as asked,
    max(state) filter (where baseline_id = chosen_id) as state,
    max(reason) filter (where baseline_id = chosen_id) as reason,
    arg_max(product, baseline_id) filter (where product is not null) as product,
    arg_max(version, baseline_id) filter (where product is not null) as version,
    max(baseline_id) filter (where product is not null) as seen_in,
    arg_max(reason, baseline_id) filter (where reason is not null) as last_reason
from looks
group by service
order by service
