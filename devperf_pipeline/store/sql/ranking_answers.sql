-- One row is what one route of a reference API answered in that baseline.
select service, route, status, shape
from answers
where baseline_id = $baseline_id
order by route, service
