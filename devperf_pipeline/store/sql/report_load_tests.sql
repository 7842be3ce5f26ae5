-- One row is one sustained benchmark: so many users in one stretch.
select *
from load_tests
where baseline_id = $baseline_id
order by service, operation, users
