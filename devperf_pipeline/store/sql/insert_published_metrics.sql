-- One row of metrics.csv is one row of the table.
insert into published_metrics by name
select
    parse_path(filename)[-2] as published_id,
    kind,
    metric,
    measure,
    divisor::double as divisor,
    query
from read_csv($files, header = true, all_varchar = true, filename = true)
