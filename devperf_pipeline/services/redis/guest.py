"""
How is redis-benchmark let into a Redis of ours, without a password on its command line?

It takes passwords there only, where everybody on the machine can read them. So it logs in as a guest whom any
password lets in, and who may do what it measures, on the keys that it names, and nothing else.
"""

from collections.abc import Sequence
from contextlib import suppress

from redis import Redis
from redis.exceptions import ResponseError

from devperf_pipeline.services.operation import OUR_NAME
from devperf_pipeline.services.redis.connection import asked, keys_like

GUEST = f"{OUR_NAME}-guest"

COMMANDS = (
    *("ping", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "select"),
    *("config|get", "cluster|nodes", "cluster|slots"),
)

BLOCK = ("key:__rand_int__", "counter:__rand_int__", "mylist", "myset", "myhash")
"""The keys of redis-benchmark's own commands on a node: without -r nothing in them is replaced."""

BLOCK_OF_CLUSTER = (
    "key:{*}:__rand_int__",
    "counter:{*}:__rand_int__",
    "mylist:{*}",
    "myset:{*}",
    "myhash:{*}",
)
"""The same on a cluster: a tag in braces for each slot."""


def guest_objects(keys: Sequence[str]) -> Sequence[str]:
    """The guest and its keys, as `Session.objects` says objects."""
    return [f"user {GUEST}", *(f"keys {key}" for key in keys)]


def admit(node: Redis, keys: Sequence[str]) -> None:
    """Let the guest in, for these keys."""
    allowed = (*(f"~{key}" for key in keys), *(f"+{command}" for command in COMMANDS))
    asked(node, "ACL", "SETUSER", GUEST, "reset", "on", "nopass", *allowed)


def dismiss_left(node: Redis, keys: Sequence[str]) -> None:
    """Remove a guest, and its keys, that a killed run left. A user who may not ask for users never made one."""
    with suppress(ResponseError):
        users: list[str | bytes] = asked(node, "ACL USERS")
        if GUEST in users or GUEST.encode() in users:
            dismiss(node, keys)


def dismiss(node: Redis, keys: Sequence[str]) -> None:
    """Remove the guest, and these keys. Others' keys are on a server of ours only if the guest made them."""
    asked(node, "ACL", "DELUSER", GUEST)
    for key in keys:
        for name in keys_like(node, key) if "*" in key else [key]:
            asked(node, "UNLINK", name)
