"""
What is ours in a Redis, how is it told from what is not, and how does it leave, also after a run that was killed?

Everything lives under `devperf:<service>:`. A marker key, written first and removed last, says that this project made
what is there. The guest of redis-benchmark and its keys: `guest.py`.
"""

from collections.abc import Sequence

from redis import Redis

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.services.redis.connection import asked, keys_like, pipelined
from devperf_pipeline.services.redis.workload import Keys

MARK = b"devperf_pipeline"


def ours_on(node: Redis, keys: Keys) -> list[bytes]:
    """Every key of our prefix on one node."""
    escaped = keys.prefix
    for special in b"\\", b"*", b"?", b"[", b"]":
        escaped = escaped.replace(special, b"\\" + special)
    return keys_like(node, escaped + b"*")


def remove(nodes: Sequence[Redis], marker_node: Redis, keys: Keys) -> None:
    """Remove every key of our prefix, the marker last; without our marker nothing is ours and nothing is removed."""
    if asked(marker_node, "GET", keys.marker) != MARK:
        return
    for node in nodes:
        pipelined(node, ((b"UNLINK", name) for name in ours_on(node, keys) if name != keys.marker))
    asked(marker_node, "UNLINK", keys.marker)


def claim(nodes: Sequence[Redis], marker_node: Redis, keys: Keys) -> None:
    """Remove what an earlier run left and mark the prefix as ours; raises a `ServiceRefused` where others' keys have it."""
    remove(nodes, marker_node, keys)
    for node in nodes:
        if foreign := ours_on(node, keys):
            raise ServiceRefused(
                f"{keys.service}: expected no key under {keys.prefix.decode()!r}, found {len(foreign)} that this "
                f"project did not make (such as {foreign[0]!r}). Rename or remove them, or rename the service in the "
                "stack file."
            )
    asked(marker_node, "SET", keys.marker, MARK)
