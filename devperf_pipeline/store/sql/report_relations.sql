-- One row is the name of one table or view that this warehouse has.
select table_name as name
from information_schema.tables
