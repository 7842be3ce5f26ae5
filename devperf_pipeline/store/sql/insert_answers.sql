-- One row of the files is one row of the table.
insert into answers by name
select * from read_parquet($files, hive_partitioning = false)
