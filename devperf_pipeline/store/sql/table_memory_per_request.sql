-- One row is how the memory of one service grew with the requests under way, by one measure of memory.
create table memory_per_request (
    baseline_id varchar not null,
    service varchar not null,
    measure varchar not null,
    points integer not null,
    users_max integer not null,
    bytes_per_request double,
    low_bytes double,
    high_bytes double,
    tells boolean not null,
    verdict varchar not null
)
