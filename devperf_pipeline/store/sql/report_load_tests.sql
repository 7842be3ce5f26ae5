-- One row is one sustained benchmark: so many users in one stretch.
select *
from load_tests
left join (select baseline_id, benchmark, title, placement from percentiles) using (baseline_id, benchmark)
where baseline_id = $baseline_id
order by service, operation, users
