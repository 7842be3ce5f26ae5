-- One row of rows.csv is one row of the table.
insert into published_rows by name
select
    parse_path(filename)[-2] as published_id,
    "table" as table_name,
    subject,
    "row" as row_name,
    metric,
    kind,
    name,
    otherwise
from read_csv($files, header = true, all_varchar = true, filename = true)
