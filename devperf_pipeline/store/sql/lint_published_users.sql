-- One row is one published operation whose throughput and mean imply other users than the rest of its table does.
with implied as (
    select
        published_id, table_name, row_name,
        max(value) filter (metric = 'throughput') * max(value) filter (metric = 'latency avg') / 1000 as users
    from published_cells
    group by published_id, table_name, subject, row_name
    having users is not null
),
compared as (
    select *, median(users) over (partition by published_id, table_name) as expected from implied
)
select
    'published ' || published_id as source,
    table_name || ' ' || row_name as place,
    'Little''s law' as rule,
    expected,
    users as found,
    format('throughput times mean says that {:.1f} users asked at once, where the other rows of its table say {:.1f}', users, expected)
        as sentence
from compared
where users not between 0.7 * expected and 1.3 * expected
