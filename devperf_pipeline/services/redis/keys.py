"""
Which keys are ours, what do they hold, and how do they go away again?

Everything lives under `devperf:<service>:`. A marker key, written first and removed last, says that this project
made what is there.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.services.operation import OUR_NAME

KEYSPACE = 10_000
"""How many different keys SET, GET and INCR go round."""

VALUE_BYTES = 100
MARK = b"devperf_pipeline"
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of our keys in one service."""

    service: str

    @property
    def prefix(self) -> bytes:
        return f"{OUR_NAME}:{self.service}:".encode()

    @property
    def marker(self) -> bytes:
        return self.prefix + b"marker"

    def name(self, family: str, number: int) -> bytes:
        """For example `devperf:redis:key:00042`."""
        return b"%b%b:%05d" % (self.prefix, family.encode(), number)

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Every key that GET finds, with its value."""
        return [(self.name("key", number), value(number)) for number in range(KEYSPACE)]


def value(number: int) -> bytes:
    """The value of the key of that number: 100 bytes that begin with the number."""
    return (b"%05d " % number) + b"v" * (VALUE_BYTES - 6)


def is_value(candidate: Any) -> bool:
    """Whether these are, byte for byte, the value of one of our keys."""
    if not isinstance(candidate, bytes) or not candidate[:5].isdigit():
        return False
    return candidate == value(int(candidate[:5])) and int(candidate[:5]) < KEYSPACE


def spread(user: int, call: int, over: int = KEYSPACE) -> int:
    """Which key a call of a user takes: each comes once before any comes again, and users do not walk in step."""
    # 7919 is prime and divides no power of ten.
    return (user * 997 + call * 7919) % over


def pipelined(node: Redis, commands: Iterable[tuple[Any, ...]]) -> None:
    """
    Send many commands to one node and await all answers.

    Raises:
        redis.exceptions.ResponseError: the first one that was refused.

    """
    commands = list(commands)
    for begin in range(0, len(commands), BATCH):
        with node.pipeline(transaction=False) as pipe:
            for command in commands[begin : begin + BATCH]:
                pipe.execute_command(*command)
            pipe.execute()


class LaidIn:
    """
    Remembers what was laid in and lasts: a look at the last key tells whether it is still there.

    A server that was restarted has lost it, and gets it again.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], bytes] = {}

    def is_on(self, node: Redis, what: str) -> bool:
        """Whether what was laid in on a node is still there."""
        last = self._last.get((what, id(node)))
        return last is not None and bool(node.exists(last))

    def lay_in(self, node: Redis, what: str, commands: Iterable[tuple[Any, ...]], *, lasts: bool) -> None:
        """Send commands to a node, and remember the last of what lasts."""
        sent = list(commands)
        pipelined(node, sent)
        if lasts and sent:
            self._last[what, id(node)] = sent[-1][1]


def ours_on(node: Redis, keys: Keys) -> list[bytes]:
    """Every key of our prefix on one node. SCAN, which never stops the server for long."""
    escaped = keys.prefix
    for special in b"\\", b"*", b"?", b"[", b"]":
        escaped = escaped.replace(special, b"\\" + special)
    # A key may come twice.
    return sorted(set(node.scan_iter(match=escaped + b"*", count=BATCH)))


def remove(nodes: Sequence[Redis], marker_node: Redis, keys: Keys) -> None:
    """Remove every key of our prefix, the marker last; without our marker nothing is ours and nothing is removed."""
    if marker_node.get(keys.marker) != MARK:
        return
    for node in nodes:
        pipelined(node, (("UNLINK", name) for name in ours_on(node, keys) if name != keys.marker))
    marker_node.unlink(keys.marker)


def claim(nodes: Sequence[Redis], marker_node: Redis, keys: Keys) -> None:
    """
    Remove what an earlier visit left and mark the prefix as ours.

    Raises:
        ServiceRefused: keys of our prefix exist that this project did not make.

    """
    remove(nodes, marker_node, keys)
    for node in nodes:
        foreign = ours_on(node, keys)
        if foreign:
            raise ServiceRefused(
                f"{keys.service}: expected no key under {keys.prefix.decode()!r}, found {len(foreign)} that this "
                f"project did not make (such as {foreign[0]!r}). Rename or remove them, or rename the service in the "
                "stack file."
            )
    marker_node.set(keys.marker, MARK)


def close_quietly(*clients: Any) -> None:
    """Close clients whose server may be gone."""
    for client in clients:
        with suppress(RedisError, OSError):
            client.close()
