-- One row of the files is one row of the table.
insert into knees by name
select * from read_parquet($files, hive_partitioning = false)
