-- One row is one cell of a published baseline: what somebody measured, or wrote down, on another machine.
create table published_cells (
    published_id varchar not null,
    position integer not null,
    table_name varchar not null,
    subject varchar not null,
    row_name varchar not null,
    metric varchar not null,
    unit varchar,
    published varchar,
    value double
)
