-- One row is what one request under way costs one service in memory.
select * from memory_per_request where baseline_id = $baseline_id order by bytes_per_request nulls last, service
