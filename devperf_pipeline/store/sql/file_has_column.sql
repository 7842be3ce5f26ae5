-- One row: whether a Parquet file has a column of that name.
select coalesce(bool_or(name = $name), false) as has from parquet_schema($file)
