"""
What would spoil a measurement of a relational database, given what its server says of itself?

`postgresql.py` and `mysql.py` ask; here is what the answers mean.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from devperf_pipeline.services.operation import OUR_NAME
from devperf_pipeline.services.relational.rows import USERS

CONNECTIONS = max(USERS) + 3
"""Our users, the driver's, the session's own, and one to spare."""

POSTGRESQL = """
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

MYSQL = """
    SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'max_connections',
        'innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'query_cache_type', 'max_user_connections')"""

NEEDED = ("CREATE", "DROP", "SELECT", "INSERT", "UPDATE", "DELETE")
"""What MySQL has to allow us on our own database."""

GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<on>\S+) TO ", re.IGNORECASE)


def of_postgresql(found: Mapping[str, Any]) -> Iterator[str]:
    """What the one object that `POSTGRESQL` returns tells."""
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
    yield from few(min([found["free"], *limits]))


def of_pool(settings: Mapping[str, str]) -> Iterator[str]:
    """What PgBouncer's own settings tell, as far as its console lets us read them."""
    size = settings.get("pgbouncer.default_pool_size", "")
    if size.isdigit() and int(size) < max(USERS):
        yield f"default_pool_size is {size}, fewer than our {max(USERS)} users: they wait for each other"
    if settings.get("pgbouncer.pool_mode") == "statement":
        yield "pool_mode is statement: transactions are refused"


def of_mysql(variables: Mapping[str, str], connected: int, grants: Sequence[str]) -> Iterator[str]:
    """What variables, the number of connections, and the lines of SHOW GRANTS tell."""
    if missing := missing_grants(grants):
        yield f"missing privilege: {', '.join(missing)} on {OUR_NAME}.*. Run: GRANT {', '.join(NEEDED)} ON {OUR_NAME}.* TO …"
    if "ON" in {variables.get("read_only"), variables.get("super_read_only")}:
        yield "it takes no writes: read_only is on"
    if variables.get("innodb_flush_log_at_trx_commit") not in {"1", None}:
        yield (
            f"innodb_flush_log_at_trx_commit is {variables['innodb_flush_log_at_trx_commit']}: "
            "a commit is answered before it is on disk"
        )
    if variables.get("log_bin") == "ON" and variables.get("sync_binlog") == "0":
        yield "sync_binlog is 0: a commit is answered before the binary log is on disk"
    if variables.get("query_cache_type") in {"ON", "1"}:
        yield "query_cache_type is ON: repeated SELECTs are answered by a cache"
    yield from few(int(variables.get("max_connections", "0")) - connected)


def few(free: int) -> Iterator[str]:
    """That too few connections are left for our users, if so."""
    if free < CONNECTIONS:
        yield f"few connections are left: {max(free, 0)}, and we take up to {CONNECTIONS}"


def missing_grants(grants: Sequence[str]) -> list[str]:
    """
    Which of the privileges that we need no line of SHOW GRANTS gives on our database.

    What comes through a role is not shown there, so with a role nothing is said to be missing.
    """
    given: set[str] = set()
    for grant in grants:
        found = GRANT.match(grant)
        if found is None:
            return []
        database = found["on"].partition(".")[0].strip("`")
        # % and _ are patterns there, unless escaped.
        pattern = database.replace("\\_", "_").replace("%", "*")
        if fnmatchcase(OUR_NAME, pattern) and found["on"].endswith(".*"):
            given |= {part.strip().upper() for part in found["what"].split(",")}
    return [] if "ALL PRIVILEGES" in given else [name for name in NEEDED if name not in given]
