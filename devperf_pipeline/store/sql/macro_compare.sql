-- One row is one benchmark of either baseline: like for like, b against a, by the rule of comparisons_of.
create macro compare(a, b) as table
with judged as (
    select
        *,
        verdict || coalesce(': ' || coalesce(
            reason,
            case
                when verdict = 'cannot tell'
                    -- Rounds that differ by any amount give a floor beyond any integer; it is no less than this.
                    then 'less than ' || ceil(100 * (least(visible, 1000) - 1))::integer || ' % could not be seen'
            end
        ), '') as said
    from comparisons_of([{before: known(a), now: known(b)}])
)
select
    coalesce(y.service, x.service) as service,
    coalesce(y.title, x.title) as title,
    coalesce(y.users, x.users) as users,
    coalesce(y.instrument, x.instrument) as instrument,
    x.p50_ns / 1e6 as a_p50_ms,
    y.p50_ns / 1e6 as b_p50_ms,
    round(p50.ratio, 3) as p50_ratio,
    p50.said as verdict,
    x.p95_ns / 1e6 as a_p95_ms,
    y.p95_ns / 1e6 as b_p95_ms,
    round(p95.ratio, 3) as p95_ratio,
    p95.said as p95_verdict,
    x.p95_low_ns <= y.p95_high_ns and y.p95_low_ns <= x.p95_high_ns as bounds_overlap,
    p50.repeats,
    benchmark
from (from judged where metric = 'p50') as p50
join (from judged where metric = 'p95') as p95 using (benchmark)
left join (from percentiles where baseline_id = a) as x using (benchmark)
left join (from percentiles where baseline_id = b) as y using (benchmark)
order by benchmark
