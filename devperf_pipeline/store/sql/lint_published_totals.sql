-- One row is one published total that is not the sum of its rows.
with sums as (
    select
        published_id, metric,
        sum(value) filter (subject <> 'total') as summed,
        max(value) filter (subject = 'total') as total,
        count(*) filter (subject <> 'total') as rows_summed
    from published_cells
    where table_name = 'resources/idle' and metric in ('rss', 'vsz')
    group by published_id, metric
),
claimed as (
    select published_id, 'resources/idle total ' || metric as place, summed, total, rows_summed
    from sums
    union all
    select s.published_id, 'resources/totals-idle memory_gb', s.summed, 1024 * c.value, s.rows_summed
    from sums as s
    join published_cells as c
        on c.published_id = s.published_id and c.table_name = 'resources/totals-idle' and c.metric = 'memory_gb'
    where s.metric = 'rss'
)
select
    'published ' || published_id as source,
    place,
    'sum against total' as rule,
    summed as expected,
    total as found,
    format('{} rows add up to {:.0f} MB, the total says {:.0f} MB', rows_summed, summed, total) as sentence
from claimed
where abs(total / summed - 1) > 0.02
