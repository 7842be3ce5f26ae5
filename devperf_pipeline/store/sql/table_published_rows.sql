-- One row is one row of a published table, or one cell of it where cells differ: which of our readings is the like of it.
create table published_rows (
    published_id varchar not null,
    table_name varchar not null,
    subject varchar not null,
    row_name varchar not null,
    metric varchar,
    kind varchar not null,
    name varchar not null,
    otherwise varchar
)
