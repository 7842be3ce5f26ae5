-- One row is one benchmark set against another of the same baseline, round beside round: what the first costs more.
-- Rounds of one number were measured within one pass over the stack, so their ratio is freer of the machine's moods
-- than that of two medians. Low and high are the lowest and the highest round: of five, they hold the true median in
-- 94 of 100 baselines. `service` null: every service that has the operation, against itself unless said otherwise.
create view differences as
with pairings (
    topic, service, operation, instrument, users, against_service, against_operation, against_instrument
) as (
    values
        ('pooler', 'pgbouncer', 'select-by-key', 'engine', null, 'postgresql', 'select-by-key', 'engine'),
        ('vault', null, 'get-examples-vault-secret-postgres', 'engine', 1, null, 'get-root', 'engine'),
        ('redirect', 'redis_cluster', 'cross-slot', 'engine', 1, 'redis_cluster', 'get-distributed', 'engine'),
        ('persistence', 'rabbitmq', 'publish-1kb-persistent', 'engine', 1, 'rabbitmq', 'publish-1kb', 'engine'),
        ('validation', 'fastapi_api_first', 'post-examples-cache-key', 'engine', 1,
            'fastapi', 'post-examples-cache-key', 'engine'),
        ('scan', null, 'full-scan', 'engine', 1, null, 'select-by-key', 'engine'),
        ('scan', 'mongodb', 'find-scan', 'engine', 1, 'mongodb', 'find-one', 'engine'),
        ('layer: cached value', 'redis', 'get-hit', 'engine', 1, 'redis', 'floor', 'engine'),
        ('layer: cached value', 'redis', 'get-hit', 'driver', 1, 'redis', 'get-hit', 'engine'),
        ('layer: cached value', null, 'get-examples-cache-key', 'engine', 1, 'redis', 'get-hit', 'engine'),
        ('layer: database query', 'postgresql', 'select-by-key', 'engine', 1, 'postgresql', 'floor', 'engine'),
        ('layer: database query', 'postgresql', 'select-by-key', 'driver', 1,
            'postgresql', 'select-by-key', 'engine'),
        ('layer: database query', null, 'get-examples-database-postgres-query', 'engine', 1,
            'postgresql', 'select-by-key', 'engine'),
        ('layer: secret', 'vault', 'kv-read', 'engine', 1, 'vault', 'floor', 'engine'),
        ('layer: secret', 'vault', 'kv-read', 'driver', 1, 'vault', 'kv-read', 'engine'),
        ('layer: secret', null, 'get-examples-vault-secret-postgres', 'engine', 1, 'vault', 'kv-read', 'engine'),
        ('layer: message', 'rabbitmq', 'publish-1kb-persistent', 'engine', 1, 'rabbitmq', 'floor', 'engine'),
        ('layer: message', 'rabbitmq', 'publish-1kb-persistent', 'driver', 1,
            'rabbitmq', 'publish-1kb-persistent', 'engine'),
        ('layer: message', null, 'post-examples-messaging-publish-queue', 'engine', 1,
            'rabbitmq', 'publish-1kb-persistent', 'engine')
),
levels as (
    select r.baseline_id, r.service, r.operation, r.instrument, r.users, r.round, r.p50_ns
    from rounds as r
    join percentiles as p using (baseline_id, benchmark)
    where p.valid and r.problem is null and r.p50_ns > 0 and r.load like 'closed-%'
)
select
    a.baseline_id,
    p.topic,
    a.service,
    a.operation,
    a.instrument,
    a.users,
    b.service as against_service,
    b.operation as against_operation,
    b.instrument as against_instrument,
    count(*)::integer as rounds,
    median(a.p50_ns)::bigint as p50_ns,
    median(b.p50_ns)::bigint as against_p50_ns,
    median(a.p50_ns - b.p50_ns)::bigint as difference_ns,
    min(a.p50_ns - b.p50_ns)::bigint as difference_low_ns,
    max(a.p50_ns - b.p50_ns)::bigint as difference_high_ns,
    median(a.p50_ns / b.p50_ns) as ratio,
    min(a.p50_ns / b.p50_ns) as ratio_low,
    max(a.p50_ns / b.p50_ns) as ratio_high
from pairings as p
join levels as a
    on a.operation = p.operation
    and a.instrument = p.instrument
    and a.users = coalesce(p.users, a.users)
    and a.service = coalesce(p.service, a.service)
join levels as b
    on b.baseline_id = a.baseline_id
    and b.round = a.round
    and b.users = a.users
    and b.operation = p.against_operation
    and b.instrument = p.against_instrument
    and b.service = coalesce(p.against_service, a.service)
group by all
