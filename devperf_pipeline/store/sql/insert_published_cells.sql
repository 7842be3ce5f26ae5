-- One row of cells.csv is one row of the table; a publication is the folder that the file is in.
insert into published_cells by name
select
    parse_path(filename)[-2] as published_id,
    row_number() over (order by filename, file_row_number) as position,
    "table" as table_name,
    subject,
    "row" as row_name,
    metric,
    unit,
    published,
    try_cast(published as double) as value
from (
    select *, row_number() over () as file_row_number
    from read_csv($files, header = true, all_varchar = true, filename = true)
)
