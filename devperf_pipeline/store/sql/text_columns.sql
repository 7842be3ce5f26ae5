-- One row is one column of text in one of our tables.
select c.table_name, c.column_name
from duckdb_columns() as c
join duckdb_tables() as t using (schema_name, table_name)
where not c.internal and c.data_type = 'VARCHAR'
order by c.table_name, c.column_index
