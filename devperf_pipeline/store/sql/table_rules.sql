-- One row is what every baseline is searched for: its name, its words, the least ratio and the least time that every
-- round must show, and the pairs of benchmarks of which the first is set against the second, round beside round. A pair
-- names benchmarks as they are named everywhere, with a kind for the service, of which there may be several (partners say
-- which is set against which); `*` is any, the same in both where both have it. A finding without
-- pairs, and whatever else a rule asks for, is a question of its own in table_findings.sql. A layer has pairs alone.
create table rules as
select *
from (
    values
        ('sequential-health', 'bottleneck', 'Dependencies are asked one after another',
            'beyond GET /, the aggregate takes at least 90 % of what its measured parts take together, and the API does not say that it asks them at once',
            0.9, 0,
            'Ask all dependencies at the same time (asyncio.gather, goroutines, Promise.all, join!).',
            'at least what the measured parts take beyond GET /, less the slowest of them',
            []),
        ('connection-per-request', 'bottleneck', 'A database connection is made for each request',
            'the route takes 1 ms or more, in every round, beyond what the framework and the query take by themselves',
            0, 1000000,
            'Keep a pool of open connections in the API, as wide as the cores of the database can use.',
            'what the route takes beyond the framework and the query',
            []),
        ('vault', 'bottleneck', 'Vault is asked on each request',
            'the route takes at least 1.5 times as long as GET / in every round',
            1.5, 0,
            'Keep the secret in memory until shortly before its lease ends.',
            'all but what GET / takes',
            [['*/get-examples-vault-secret-postgres/closed-1/engine', '*/get-root/closed-1/engine']]),
        ('saturated-core', 'bottleneck', 'One full core is the limit',
            'the throughput of most users is less than 1.1 times the best of a quarter of them or fewer, while the processes use 90 to 120 % of one core',
            0, 0,
            'Run a process for each core (uvicorn --workers, node:cluster), or move work out of the one that is full.',
            'throughput up to that of as many cores as there are processes',
            []),
        ('overload', 'bottleneck', 'More users get less done',
            'the throughput of most users is less than 0.8 times the best of fewer on the same cores, and it is not one full core that says why',
            0, 0,
            'Work on no more requests at once than get most done, and let others wait in front (uvicorn --limit-concurrency, a semaphore, a pool as wide as the cores).',
            'the best throughput, with more users too',
            []),
        ('cpu-limit', 'bottleneck', 'The CPU limit stops the service',
            'in at least 5 % of all periods of its CPU limit (100 ms each, usually) the service had used up what it may, and was stopped until the next began',
            0.05, 0,
            'Give the container more CPU (cpus in its compose file), or leave the limit away where the service may have what is free.',
            'the calls that stand still until the next period begins: the slowest ones',
            []),
        ('pooler', 'choice', 'The pooler costs more than it gives',
            'a call through PgBouncer, which parses it each time, takes at least 5 % longer than a prepared one without it in every round',
            1.05, 0,
            'Connect directly where connections live long; keep PgBouncer for many short ones, with prepared statements on.',
            'the difference to the direct connection',
            [['pgbouncer/select-by-key/*/engine', 'postgresql/select-by-key/*/engine']]),
        ('redirect', 'choice', 'Keys on other nodes cost a redirect',
            'a call that is redirected (MOVED) takes at least 1.2 times as long in every round',
            1.2, 0,
            'Use a client that knows the slots, and hash tags ({name}) for keys that are asked for together.',
            'the redirect',
            [['redis_cluster/cross-slot/closed-1/engine', 'redis_cluster/get-distributed/closed-1/engine']]),
        ('persistence', 'choice', 'Persistent messages wait for the disk',
            'publishing a persistent message takes at least 1.2 times as long in every round',
            1.2, 0,
            'Publish what may be lost as transient, and confirm persistent messages in batches.',
            'the difference to a transient message',
            [['rabbitmq/publish-1kb-persistent/closed-1/engine', 'rabbitmq/publish-1kb/closed-1/engine']]),
        ('validation', 'choice', 'Validation against the contract',
            'the API-first twin takes at least 5 % longer for the same request in every round',
            1.05, 0,
            'Validate requests only, or compile the validators when the API starts.',
            'the difference to the twin without it',
            [['fastapi_api_first/post-examples-cache-key/closed-1/engine', 'fastapi/post-examples-cache-key/closed-1/engine']]),
        ('scan', 'choice', 'A scan where an index would do',
            'reading all rows takes at least 5 times as long as one row by its key in every round',
            5, 0,
            'Ask for the rows that are needed, by an index; page through the rest.',
            'the difference to a read by key',
            [
                ['*/full-scan/closed-1/engine', '*/select-by-key/closed-1/engine'],
                ['mongodb/collection-scan/closed-1/engine', 'mongodb/find-one/closed-1/engine']
            ])
) as findings(topic, kind, title, rule, least_ratio, least_ns, remedy, gain, pairs)
union all by name
select *
from (
    values
        ('layer: cached value', [
            ['redis/get-hit/closed-1/engine', 'redis/floor/closed-1/engine'],
            ['redis/get-hit/closed-1/driver', 'redis/get-hit/closed-1/engine'],
            ['*/get-examples-cache-key/closed-1/engine', 'redis/get-hit/closed-1/engine']
        ]),
        ('layer: database query', [
            ['postgresql/select-by-key/closed-1/engine', 'postgresql/floor/closed-1/engine'],
            ['postgresql/select-by-key/closed-1/driver', 'postgresql/select-by-key/closed-1/engine'],
            ['*/get-examples-database-postgres-query/closed-1/engine', 'postgresql/select-by-key/closed-1/engine']
        ]),
        ('layer: secret', [
            ['vault/kv-read/closed-1/engine', 'vault/floor/closed-1/engine'],
            ['vault/kv-read/closed-1/driver', 'vault/kv-read/closed-1/engine'],
            ['*/get-examples-vault-secret-postgres/closed-1/engine', 'vault/kv-read/closed-1/engine']
        ]),
        ('layer: message', [
            ['rabbitmq/publish-1kb-persistent/closed-1/engine', 'rabbitmq/floor/closed-1/engine'],
            ['rabbitmq/publish-1kb-persistent/closed-1/driver', 'rabbitmq/publish-1kb-persistent/closed-1/engine'],
            ['*/post-examples-messaging-publish-queue/closed-1/engine', 'rabbitmq/publish-1kb-persistent/closed-1/engine']
        ])
) as layers(topic, pairs)
