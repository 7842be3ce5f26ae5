-- One row is one sustained operation of a baseline: from how many users on more of them only wait longer.
create table knees (
    baseline_id varchar not null,
    service varchar not null,
    operation varchar not null,
    knee_users integer,
    knee_throughput_per_s double,
    reason varchar not null
)
