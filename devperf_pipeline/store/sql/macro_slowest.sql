-- One row is one operation as it stands now, one user: the n slowest by p95, slowest first.
create macro slowest(how_many) as table
select
    service,
    title,
    instrument,
    p50_ns / 1e6 as p50_ms,
    p95_ns / 1e6 as p95_ms,
    max_ns / 1e6 as max_ms,
    n,
    benchmark,
    stack,
    baseline_id
from current
where users = 1 and instrument = 'engine' and operation <> 'floor'
order by p95_ns desc, benchmark
limit how_many
