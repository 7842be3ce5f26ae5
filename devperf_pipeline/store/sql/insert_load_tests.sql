-- One row of the files is one row of the table.
insert into load_tests by name
select * from read_parquet($files, hive_partitioning = false)
