-- One row is one fact about the host or a service as it was found in that baseline.
select service, key, value
from infrastructure
where baseline_id = $baseline_id
order by service, key
