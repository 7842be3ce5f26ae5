-- One row is one baseline: the machine it was measured on, and the baseline that it is compared with. That is, of the
-- complete ones of the same stack before it, the newest that measured at least half of the same benchmarks; where none
-- did (one service alone, say), the one that measured most of them.
create table machines as
with machine as (
    select b.baseline_id, b.stack, b.state, string_agg(i.key || '=' || i.value, ' ' order by i.key) as machine
    from baselines as b
    left join infrastructure as i
        on i.baseline_id = b.baseline_id and i.service = 'host'
        and i.key in (select key from host_facts where effect = 'another machine')
    group by b.baseline_id, b.stack, b.state
),
-- Many baselines measure the same set of benchmarks, so what is shared is counted between sets, by one member of each.
measured as (
    select baseline_id, bit_xor(hash(benchmark)) as benchmarks, count(*) as own from percentiles group by baseline_id
),
sets as (
    select benchmarks, any_value(baseline_id) as baseline_id from measured group by benchmarks
),
listed as (
    select s.benchmarks, p.benchmark from sets as s join percentiles as p using (baseline_id)
),
shares as (
    select a.benchmarks, b.benchmarks as before_benchmarks, count(*) as shared
    from listed as a
    join listed as b using (benchmark)
    group by all
),
members as (
    select m.baseline_id, m.stack, m.state, s.benchmarks, s.own from machine as m join measured as s using (baseline_id)
),
newest as (
    select
        m.baseline_id, m.benchmarks, m.own, before.benchmarks as before_benchmarks,
        max(before.baseline_id) as reference_id
    from members as m
    join members as before
        on before.stack = m.stack and before.state = 'complete' and before.baseline_id < m.baseline_id
    group by all
),
references_ as (
    select n.baseline_id, n.reference_id
    from newest as n
    join shares as s using (benchmarks, before_benchmarks)
    qualify row_number() over (
        partition by n.baseline_id order by least(s.shared, ceil(n.own / 2)) desc, n.reference_id desc
    ) = 1
)
select m.*, r.reference_id
from machine as m
left join references_ as r using (baseline_id)
order by m.baseline_id
