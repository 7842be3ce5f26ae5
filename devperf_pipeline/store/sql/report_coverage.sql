-- One row is one cell of a published baseline against one of ours, in the order of the publication.
select
    published_id, table_name, subject, row_name, metric, unit, published, measured, applies, reason
from coverage_of($baseline_id::varchar)
order by position
