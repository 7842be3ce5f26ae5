-- One row is one operation and number of users that the engine asked only in turn with a reference tool, and that a
-- load test asked, too: longer, so that its answer is the one that stands.
with turns as (
    select baseline_id, service, operation, users from stated
    union
    select baseline_id, service, operation, users from percentiles where instrument not in ('engine', 'driver')
)
select t.baseline_id, t.service, t.operation, t.users
from turns as t
semi join load_tests as l
    on l.baseline_id = t.baseline_id
    and l.service = t.service
    and l.operation = t.operation
    and l.users = t.users
    and l.valid
order by all
