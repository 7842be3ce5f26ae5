-- One row at most: what a baseline is compared with, and the facts of host and services that both have and that differ.
select
    m.reference_id,
    epoch_ns(b.began_at) as reference_began_ns,
    (
        select coalesce(
            list({service: x.service, key: x.key, before: x.value, now: y.value} order by x.service, x.key), []
        )
        from infrastructure as x
        join infrastructure as y on y.baseline_id = m.baseline_id and y.service = x.service and y.key = x.key
        where x.baseline_id = m.reference_id and y.value <> x.value
    ) as facts
from machines as m
join baselines as b on b.baseline_id = m.reference_id
where m.baseline_id = $baseline_id
