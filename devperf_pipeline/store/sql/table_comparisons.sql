-- One row is one metric of one benchmark that a baseline and the one it is compared with both measured, of the newest
-- 200 baselines of each stack: the longer a history, the more of a build's time the others would take. A report asks
-- for its own pair.
create table comparisons as
from compared((
    select list({before: reference_id, now: baseline_id})
    from (
        from machines
        where reference_id is not null
        qualify row_number() over (partition by stack order by baseline_id desc) <= 200
    )
))
