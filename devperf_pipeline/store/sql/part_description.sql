-- One row: what a part says of its round.
select value from parquet_kv_metadata($part) where key = 'round'
