-- One row is one baseline: everything measured in one run on one infrastructure.
create table baselines (
    baseline_id varchar not null,
    stack varchar not null,
    profile varchar not null,
    seed bigint not null,
    began_at timestamptz not null,
    ended_at timestamptz,
    state varchar not null,
    samples bigint not null,
    rounds bigint not null,
    schema_version integer not null
)
