-- One row is one column in one of our tables that has text in it, also in lists and maps.
select c.table_name, c.column_name
from duckdb_columns() as c
join duckdb_tables() as t using (schema_name, table_name)
where not c.internal and contains(c.data_type, 'VARCHAR')
order by c.table_name, c.column_index
