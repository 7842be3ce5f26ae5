"""What would disturb a measurement of a server that speaks MongoDB's protocol, given what it says of itself?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CONNECTIONS = 20
"""Our users, the driver's, the session's own, and some to spare."""


def enough(database: str) -> Sequence[frozenset[tuple[str, str]]]:
    """Roles, each with the database that it is of; any of these sets lets us make, fill and drop that database."""
    return (
        frozenset({("dbOwner", database)}),
        frozenset({("readWrite", database), ("dbAdmin", database)}),
        frozenset({("readWriteAnyDatabase", "admin"), ("dbAdminAnyDatabase", "admin")}),
        frozenset({("root", "admin")}),
    )


def of_server(
    hello: Mapping[str, Any],
    connections: Mapping[str, Any],
    roles: Sequence[Mapping[str, Any]],
    database: str,
) -> Iterator[str]:
    """
    One sentence each; nothing is asked here and nothing created.

    Args:
        hello: the answer to `hello`.
        connections: the part `connections` of `serverStatus`; 0 available means that the server does not count them.
        roles: those of our user, as `connectionStatus` tells them; none where the server lets everybody in.
        database: what ours is called.

    """
    if not hello.get("isWritablePrimary", True) or hello.get("readOnly"):
        yield "it takes no writes: it is no primary, or read-only"
    free = int(connections.get("available", 0))
    if 0 < free < CONNECTIONS:
        yield f"few connections are left: {free}, and we take up to {CONNECTIONS}"
    ours = {(str(role.get("role")), str(role.get("db"))) for role in roles}
    if ours and not any(each <= ours for each in enough(database)):
        found = ", ".join(sorted(f"{role} on {where}" for role, where in ours))
        yield f"a missing privilege, perhaps: expected the role dbOwner on {database}, found {found}"
