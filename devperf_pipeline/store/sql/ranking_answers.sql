-- One row is what one route of an API answered in that baseline; an unknown API comes last, so that it sets no example.
select service, route, status, shape
from answers
where baseline_id = $baseline_id
order by route, service = 'api', service
