"""
How is a Redis cluster measured?

A user has one socket for each node that serves slots; its keys are spread over all of them.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from socket import socket
from typing import Any

from redis import ConnectionPool, Redis, RedisCluster
from redis.cluster import ClusterNode

from devperf_pipeline.model import Address, Facts, Service
from devperf_pipeline.services.operation import Operation
from devperf_pipeline.services.redis.connection import (
    SETTINGS,
    RedisConnection,
    client_options,
    close_all,
    connect_node,
    encrypted,
    explained,
    node_facts,
)
from devperf_pipeline.services.redis.guest import BLOCK_OF_CLUSTER
from devperf_pipeline.services.redis.preflight import of_node
from devperf_pipeline.services.redis.session import RedisSession
from devperf_pipeline.services.redis.workload import VALUE_BYTES
from devperf_pipeline.services.redis_cluster.slots import SlotMap, read_slots
from devperf_pipeline.services.redis_cluster.workload import ClusterConnection, operations


def open_session(service: Service) -> "RedisClusterSession":
    """A session with a Redis cluster; raises a `ServiceError`."""
    nodes: dict[Address, Redis] = {}
    try:
        for address in service.addresses:
            nodes[address] = connect_node(service, address, expected=False)
        with explained(service, service.address):
            slots = read_slots(service, nodes)
    except BaseException:
        close_all(nodes.values())
        raise
    close_all(node for address, node in nodes.items() if address not in slots.addresses)
    return RedisClusterSession(service, {address: nodes[address] for address in slots.addresses}, slots)


class RedisClusterSession(RedisSession):
    """A session with the nodes of a cluster that serve slots."""

    guest_keys = BLOCK_OF_CLUSTER

    def __init__(self, service: Service, nodes: Mapping[Address, Redis], slots: SlotMap) -> None:
        super().__init__(service, nodes, slots.of)
        self._slots = slots

    def facts(self) -> Facts:
        """Version and settings of the first node, and the cluster's size."""
        with self._explained():
            facts = node_facts(self._nodes[0], (*SETTINGS, "cluster-require-full-coverage"))
        size = f"{len(self._nodes)} nodes, {len(self._slots.node_of)} slots"
        return Facts(
            product=f"{facts.product} cluster ({size})", version=facts.version, settings=facts.settings
        )

    def preflight(self) -> Sequence[str]:
        """What would disturb a measurement, node by node; see `operation.Session`."""
        found: list[str] = []
        for address, node in zip(self._addresses, self._nodes, strict=True):
            with explained(self._service, address):
                found += [f"{address}: {each}" for each in of_node(node, self._keys)]
        if elsewhere := self._slots.elsewhere:
            found.append(
                f"its nodes call themselves {', '.join(elsewhere)}: they are asked at the addresses of the stack file, "
                "and the driver, which would follow a redirect there, has no row for it"
            )
        return found

    def operations(self) -> Sequence[Operation]:
        return operations(self._keys, self._slots, self._reset)

    def tool_scripts(self) -> Mapping[str, str]:
        """SET of keys on all nodes, of values as long as ours. See `operation.Session`."""
        return {"set-distributed": f"SET key:{{tag}}:__rand_int__ {'v' * VALUE_BYTES}"}

    def _sockets(self, connection: Any) -> Sequence[socket]:
        return connection.take_sockets()

    def connect(self) -> ClusterConnection:
        with ExitStack() as opened:
            nodes = [
                opened.enter_context(closing(RedisConnection(connect_node(self._service, address))))
                for address in self._addresses
            ]
            opened.pop_all()
        return ClusterConnection(nodes, self._cluster_client)

    def _cluster_client(self) -> RedisCluster:
        announced = self._slots.announced
        with self._explained():
            return RedisCluster(
                startup_nodes=[ClusterNode(address.host, address.port) for address in self._addresses],
                address_remap=lambda said: announced.get(said, said),
                # Our redirects are asked for: the map is not stale, and reading it again after every fifth one
                # would be timed as part of them.
                reinitialize_steps=0,
                **self._encrypted(),
                **client_options(self._service),
            )

    def _encrypted(self) -> dict[str, Any]:
        """What makes the driver's own connections ours: it lets one say that only beside a URL."""
        address = self._service.address
        if address.tls is None:
            return {}
        kind = encrypted(address.tls)

        def pool(**given: Any) -> ConnectionPool:
            given["connection_class"] = kind
            return ConnectionPool(**given)

        return {"url": f"rediss://{address}", "connection_pool_class": pool}
