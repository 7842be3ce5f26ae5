-- One row is one published percentile that is below the one before it, or a mean above the largest value.
with steps as (
    select
        published_id,
        table_name || ' ' || subject || ' ' || row_name as place,
        metric,
        value,
        case
            when metric in ('max', 'p100_ms') then 100
            else regexp_extract(metric, '^(?:latency )?p(\d+)', 1)::double
        end as share
    from published_cells
    where value is not null and regexp_matches(metric, '^(latency )?p\d+(_ms)?$|^max$')
),
compared as (
    select
        *,
        lag(value) over run as before,
        lag(metric) over run as before_metric
    from steps
    window run as (partition by published_id, place order by share)
)
select
    'published ' || published_id as source,
    place,
    'order of percentiles' as rule,
    before as expected,
    value as found,
    format('{} is {}, below {} of {}', metric, value, before_metric, before) as sentence
from compared
where value < before
