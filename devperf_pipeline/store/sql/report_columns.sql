-- One row is one column of a table or view of the warehouse, in its place.
select
    table_name,
    column_name,
    lower(data_type) as data_type,
    table_name in (select table_name from duckdb_tables()) as is_table
from duckdb_columns()
where not internal
order by table_name, column_index
