-- One row is one table or view of the warehouse.
select table_name from duckdb_tables()
union all
select view_name from duckdb_views() where not internal
