-- One row is one metric of one benchmark that both baselines of a pair measured; without sustained loads, whose one round
-- tells nothing.
create macro compared(pairs) as table
select c.* exclude (is_shared), p.service, p.title
from comparisons_of(pairs) as c
join percentiles as p using (baseline_id, benchmark)
where c.is_shared and p.load like 'closed-%'
