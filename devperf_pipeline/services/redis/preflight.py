"""What would disturb a measurement of a Redis node, given what it says of itself?"""

from collections.abc import Iterator, Sequence
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from devperf_pipeline.services.redis.connection import asked
from devperf_pipeline.services.redis.workload import KEYSPACE, VALUE_BYTES, Keys

CONNECTIONS = 40
"""Our users, thirty-one at most, the driver's, the session's own, and some to spare."""

ROOM_BYTES = 8 * KEYSPACE * VALUE_BYTES
"""What our keys and values take, with what Redis keeps beside them."""

TRIED: Sequence[tuple[str, ...]] = (
    *((command, "{key}") for command in ("GET", "MGET", "INCR", "LPOP", "DEL", "UNLINK", "EXISTS")),
    *((command, "{key}", "x") for command in ("SET", "LPUSH", "RPUSH", "SADD")),
    ("HSET", "{key}", "x", "x"),
    ("ZADD", "{key}", "1", "x"),
    ("SCAN", "0"),
    ("PING",),
)
"""Commands that measuring takes, asked about and not made."""


def of_node(node: Redis, keys: Keys) -> Iterator[str]:
    """What one node tells. Nothing is written; raises what the driver raises."""
    info: dict[str, Any] = asked(node, "INFO")
    if info.get("role") == "slave":
        yield "it is a replica: it takes no writes"
    yield from _memory(info)
    free = int(info.get("maxclients", 10_000)) - int(info.get("connected_clients", 0))
    if free < CONNECTIONS:
        yield f"few connections are left: {free}, and we take up to {CONNECTIONS}"
    for flag, words in (
        ("rdb_bgsave_in_progress", "a snapshot"),
        ("aof_rewrite_in_progress", "a rewrite of its log"),
    ):
        if info.get(flag) == 1:
            yield f"{words} is being written, which takes time from every command"
    if missing := missing_commands(node, keys):
        yield (
            f"missing privilege: {', '.join(missing)} on {keys.prefix.decode()}*. "
            "docs/stacks.md has the ACL that is needed"
        )


def _memory(info: dict[str, Any]) -> Iterator[str]:
    most, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if not most:
        return
    if policy != "noeviction":
        yield (
            f"maxmemory-policy is {policy} at maxmemory {info.get('maxmemory_human')}: when memory is short, keys are "
            "evicted, ours and others'"
        )
    if most - used < ROOM_BYTES:
        yield f"memory is short: {(most - used) // 2**20} MiB are left of {most // 2**20}, and we take up to {ROOM_BYTES // 2**20}"


def missing_commands(node: Redis, keys: Keys) -> list[str]:
    """Which commands our user may not use on our keys, as far as we may ask that."""
    key = f"{keys.prefix.decode()}x"
    try:
        name = asked(node, "ACL WHOAMI")
        answers = {
            command: asked(node, "ACL DRYRUN", name, command, *(word.format(key=key) for word in words))
            for command, *words in TRIED
        }
    except ResponseError:
        # Asking is an administrator's command itself, and older servers do not know it.
        return []
    return [command for command, said in answers.items() if said not in {b"OK", "OK", True}]
