-- One row is one service of a baseline, and what became of it.
create table services (
    baseline_id varchar not null,
    service varchar not null,
    title varchar,
    product varchar,
    version varchar,
    state varchar,
    reason varchar
)
