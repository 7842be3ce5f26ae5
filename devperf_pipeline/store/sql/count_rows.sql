-- One row is one table: how many rows it has.
select count(*) as n from query_table($counted)
