-- One row is what one route of an API answered in that baseline; unknown APIs come last, so that they set no example.
select service, route, status, shape
from answers
where baseline_id = $baseline_id
order by route, service similar to 'api(_.*)?', service
