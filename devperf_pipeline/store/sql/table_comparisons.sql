-- One row is one metric of one benchmark that a baseline and the one it is compared with both measured; without
-- sustained loads, whose one round tells nothing.
create table comparisons as
select c.* exclude (is_shared), p.service, p.title
from comparisons_of((
    select list({before: reference_id, now: baseline_id}) from machines where reference_id is not null
)) as c
join percentiles as p using (baseline_id, benchmark)
where c.is_shared and p.load like 'closed-%'
