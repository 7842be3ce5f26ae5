-- One row is one fact about the host, or about a service, as it was found when a baseline began.
create table infrastructure (
    baseline_id varchar not null,
    service varchar not null,
    key varchar not null,
    value varchar not null
)
