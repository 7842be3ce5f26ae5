-- One row is one published metric of one kind of reading: by which measure we have it, and how it is asked for by hand.
create table published_metrics (
    published_id varchar not null,
    kind varchar not null,
    metric varchar not null,
    measure varchar not null,
    divisor double not null,
    query varchar not null
)
