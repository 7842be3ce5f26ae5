-- One row is one benchmark of a stack: its newest valid measurement. Stacks are never mixed, and results that were
-- imported are not what this project measured. Sustained loads have a table of their own: load_tests.
create view current as
select p.*, b.stack
from percentiles as p
join baselines as b on b.baseline_id = p.baseline_id
where p.valid and p.load like 'closed-%' and b.stack <> 'imported'
qualify row_number() over (
    partition by b.stack, p.benchmark order by p.measured_at desc, p.baseline_id desc
) = 1
