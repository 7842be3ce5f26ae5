-- One row is one thing that this baseline was searched for; bottlenecks first, then what costs most.
select * exclude (baseline_id)
from findings
where baseline_id = $baseline_id
order by kind, holds desc, impact_ns desc, finding, service, users
