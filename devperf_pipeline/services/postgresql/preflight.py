"""What would disturb a measurement of PostgreSQL or of PgBouncer before it, given what its server says of itself?"""

from collections.abc import Iterator, Mapping
from typing import Any

from devperf_pipeline.services.database.workload import USERS, few_connections

ASKED = """
    SELECT row_to_json(found) FROM (SELECT
        has_database_privilege(current_database(), 'CREATE') AS may_create,
        current_database() AS database,
        current_user AS username,
        pg_is_in_recovery() AS standby,
        current_setting('default_transaction_read_only') = 'on' AS read_only,
        current_setting('fsync') AS fsync,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - (SELECT sum(numbackends) FROM pg_stat_database)::int AS free,
        (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS user_limit,
        (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit
    ) found"""
"""One row with one object, which `of_server` reads."""


def of_server(found: Mapping[str, Any]) -> Iterator[str]:
    """What the one object that `ASKED` returns tells."""
    if not found["may_create"]:
        yield (
            f"missing privilege: {found['username']} may not create a schema in {found['database']}. "
            f'Run: GRANT CREATE ON DATABASE "{found["database"]}" TO "{found["username"]}"'
        )
    if found["standby"] or found["read_only"]:
        yield "it takes no writes: it is a standby, or read-only by default"
    if found["fsync"] == "off":
        yield "fsync is off: a commit is answered before it is on disk, and nothing is safe"
    if found["synchronous_commit"] == "off":
        yield "synchronous_commit is off: a commit is answered before it is on disk"
    limits = [found[name] for name in ("user_limit", "database_limit") if (found[name] or -1) >= 0]
    yield from few_connections(min([found["free"], *limits]))


def of_pool(settings: Mapping[str, str]) -> Iterator[str]:
    """What PgBouncer's own settings tell, as far as its console lets us read them."""
    size = settings.get("pgbouncer.default_pool_size", "")
    if size.isdigit() and int(size) < max(USERS):
        yield f"default_pool_size is {size}, fewer than our {max(USERS)} users: they wait for each other"
    if settings.get("pgbouncer.pool_mode") == "statement":
        yield "pool_mode is statement: transactions are refused"
