-- One row of the files is one row of the table.
insert into memory_per_request by name
select * from read_parquet($files, hive_partitioning = false)
