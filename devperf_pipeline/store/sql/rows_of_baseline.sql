-- One row is one row of that table or view that belongs to the baseline.
select *
from query_table($relation)
where baseline_id = $baseline_id
order by all
