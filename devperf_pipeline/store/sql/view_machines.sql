-- One row is one baseline and the machine that it was measured on: what of it makes figures another machine's.
create view machines as
select
    b.baseline_id,
    b.stack,
    b.state,
    string_agg(i.key || '=' || i.value, ' ' order by i.key) as machine
from baselines as b
left join infrastructure as i
    on i.baseline_id = b.baseline_id and i.service = 'host'
    and i.key in ('cpu_model', 'cpu_cores', 'cpu_cores_usable', 'memory_bytes', 'architecture', 'virtualization')
group by all
