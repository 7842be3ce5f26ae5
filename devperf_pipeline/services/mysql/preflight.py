"""What would disturb a measurement of MySQL, given what its server says of itself?"""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from devperf_pipeline.services.database.workload import few_connections

ASKED = """
    SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'max_connections',
        'innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'query_cache_type', 'max_user_connections')"""

NEEDED = ("CREATE", "DROP", "SELECT", "INSERT", "UPDATE", "DELETE")
"""What MySQL has to allow us on our own database."""

GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<on>\S+) TO ", re.IGNORECASE)


def of_server(
    variables: Mapping[str, str], connected: int, grants: Sequence[str], ours: str
) -> Iterator[str]:
    """What variables, the number of connections, and the lines of SHOW GRANTS tell; `ours` is our database."""
    if missing := missing_grants(grants, ours):
        yield f"missing privilege: {', '.join(missing)} on {ours}.*. Run: GRANT {', '.join(NEEDED)} ON {ours}.* TO …"
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
    yield from few_connections(int(variables.get("max_connections", "0")) - connected)


def missing_grants(grants: Sequence[str], ours: str) -> list[str]:
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
        if fnmatchcase(ours, pattern) and found["on"].endswith(".*"):
            given |= {part.strip().upper() for part in found["what"].split(",")}
    return [] if "ALL PRIVILEGES" in given else [name for name in NEEDED if name not in given]
