-- One row is what one route of a reference API answered before anything was measured: status, and form as JSON.
create table answers (
    baseline_id varchar not null,
    service varchar not null,
    route varchar not null,
    status integer not null,
    shape varchar not null,
    problem varchar
)
