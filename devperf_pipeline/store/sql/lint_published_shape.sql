-- One row is one published table whose p95 is nearly the same multiple of the mean in every row, as measured ones are not.
with ratios as (
    select
        published_id, table_name,
        max(value) filter (metric = 'latency p95') / max(value) filter (metric = 'latency avg') as ratio
    from published_cells
    group by published_id, table_name, subject, row_name
    having ratio is not null
)
select
    'published ' || published_id as source,
    table_name as place,
    'p95 against mean' as rule,
    null::double as expected,
    median(ratio) as found,
    format('p95 is {:.2f} to {:.2f} times the mean in all {} rows, exactly twice in {}: measured distributions are not so alike',
        min(ratio), max(ratio), count(*), count(*) filter (abs(ratio - 2) < 0.005)) as sentence
from ratios
group by published_id, table_name
having count(*) >= 5 and max(ratio) / min(ratio) < 1.3
