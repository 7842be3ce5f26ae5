-- One row is one published percentage or rank that does not follow from the figures beside it.
with compared as (
    select
        published_id,
        table_name || ' ' || subject as place,
        max(value) filter (metric = 'p95') as p95,
        max(value) filter (metric = 'slower than fastest') as said
    from published_cells
    group by published_id, table_name, subject, row_name
    having said is not null
),
relative as (
    select *, 100 * (p95 / min(p95) over (partition by published_id) - 1) as percent from compared
),
ranks as (
    select
        published_id,
        table_name || ' ' || subject as place,
        max(value) filter (metric = 'rank') as said,
        max(value) filter (metric = 'requests_per_second') as rate_per_s
    from published_cells
    group by published_id, table_name, subject
    having said is not null
),
ranked as (
    select *, rank() over (partition by published_id order by rate_per_s desc) as rank from ranks
)
select
    'published ' || published_id as source,
    place,
    'relative percentage' as rule,
    percent as expected,
    said as found,
    format('{} ms is {:.1f} % more than the least, not {} %', p95, percent, said) as sentence
from relative
where abs(percent - said) > 1
union all
select
    'published ' || published_id, place, 'rank', rank, said,
    format('{} calls/s are rank {}, not {}', rate_per_s, rank, said)
from ranked
where rank <> said
