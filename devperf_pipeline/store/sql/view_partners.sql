-- One row is one service of a baseline and, of one kind, the service that rules set it against: itself, the one that has
-- the same name behind its kind (pgbouncer_orders, postgresql_orders), the one that is called by its kind alone, or the
-- only one. Which of several others it works with nobody knows.
create view partners as
with known as (
    select distinct baseline_id, service, kind_of(service) as kind from percentiles
)
select
    a.baseline_id,
    a.service,
    b.kind,
    coalesce(
        any_value(b.service) filter (b.service = a.service),
        any_value(b.service) filter (b.service = b.kind || substr(a.service, length(a.kind) + 1)),
        any_value(b.service) filter (b.service = b.kind),
        case when count(*) = 1 then any_value(b.service) end
    ) as against_service
from known as a
join known as b using (baseline_id)
where b.kind is not null
group by a.baseline_id, a.service, b.kind
