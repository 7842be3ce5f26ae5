-- One row: how many samples there are, and how many rows of percentiles.
select coalesce(sum(n), 0)::bigint as samples, count(*) as rows from percentiles
