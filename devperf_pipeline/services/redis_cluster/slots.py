"""
Which node of a Redis cluster serves which slot, and where do we reach it?

Nodes may announce addresses that cannot be reached from here (a container's): each is recognised by its own id at
the address that the stack file gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.model import Address, Service
from devperf_pipeline.services.redis.connection import asked, text


@dataclass(frozen=True, slots=True)
class SlotMap:
    """
    Which node serves which slot.

    `addresses` are the nodes that serve slots, in the order of the stack file, where we reach them; `node_of` has the
    index of the serving node for each slot. `announced` maps what nodes say of themselves to where we reach them.
    """

    addresses: tuple[Address, ...]
    node_of: tuple[int, ...]
    announced: dict[tuple[str, int], tuple[str, int]]

    def of(self, key: bytes) -> int:
        """The index of the node that serves this key; of a key with `{...}` only that part decides."""
        return self.node_of[key_slot(key)]

    @property
    def elsewhere(self) -> list[str]:
        """What nodes call themselves that are not reached there."""
        return [f"{said[0]}:{said[1]}" for said, here in self.announced.items() if said != here]


def read_slots(service: Service, clients: dict[Address, Redis]) -> SlotMap:
    """
    Ask the running cluster who serves what.

    Raises:
        ServiceRefused: it is no cluster, it is down, slots are missing, or a node is not in the stack file.

    """
    ids = {text(asked(client, "CLUSTER MYID")): address for address, client in clients.items()}
    first = next(iter(clients.values()))
    state: Mapping[str, str] = asked(first, "CLUSTER INFO")
    parts: list[Any] = asked(first, "CLUSTER SLOTS")
    rows = [
        (int(begin), int(end), (text(host), int(port)), text(node_id))
        for begin, end, (host, port, node_id, *_), *_ in parts
    ]
    served = {slot for begin, end, _, _ in rows for slot in range(begin, end + 1)}
    missing = ranges([slot for slot in range(REDIS_CLUSTER_HASH_SLOTS) if slot not in served])
    if missing or state.get("cluster_state") != "ok":
        raise ServiceRefused(
            f"{service.name} at {service.address}: expected a cluster that serves {REDIS_CLUSTER_HASH_SLOTS} slots, found "
            f"cluster_state:{state.get('cluster_state')}, {len(served)} slots served, missing {missing or 'none'}. "
            "Look at CLUSTER INFO and CLUSTER NODES; `redis-cli --cluster fix` repairs it."
        )
    unknown = sorted({f"{host}:{port}" for _, _, (host, port), node_id in rows if node_id not in ids})
    if unknown:
        raise ServiceRefused(
            f"{service.name}: expected every node that serves slots at one of "
            f"{', '.join(map(str, service.addresses))}, found others that call themselves {', '.join(unknown)}. "
            "Add their addresses to the stack file."
        )
    serving = {ids[node_id] for *_, node_id in rows}
    addresses = tuple(address for address in clients if address in serving)
    node_of = [0] * REDIS_CLUSTER_HASH_SLOTS
    for begin, end, _, node_id in rows:
        node_of[begin : end + 1] = [addresses.index(ids[node_id])] * (end + 1 - begin)
    announced = {said: (ids[node_id].host, ids[node_id].port) for _, _, said, node_id in rows}
    return SlotMap(addresses, tuple(node_of), announced)


def ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers as people write them: `0-5460, 9000`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(begin) if begin == end else f"{begin}-{end}" for begin, end in parts)
