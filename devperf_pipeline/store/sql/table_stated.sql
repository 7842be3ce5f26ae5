-- One row is one run of a reference tool that gives no single calls: what the tool itself says of it.
create table stated (
    baseline_id varchar not null,
    service varchar not null,
    operation varchar not null,
    benchmark varchar not null,
    instrument varchar not null,
    users integer not null,
    load varchar not null,
    round integer not null,
    began_at timestamptz not null,
    elapsed_ns bigint not null,
    n bigint not null,
    errors bigint not null,
    throughput_per_s double,
    mean_ns bigint,
    shares double[],
    latencies_ns bigint[],
    about map(varchar, varchar),
    problem varchar
)
