-- One row is one cell of a published baseline against one of ours, in the order of the publication; `service` is the
-- one that was measured for it.
select
    published_id, table_name, subject, row_name, metric, unit, published, measured, applies, reason,
    split_part(name, '/', case when kind = 'finding' then 2 else 1 end) as service
from coverage_of($baseline_id::varchar)
order by position
