-- One row is one row of the file.
select * from read_parquet($file, hive_partitioning = false)
