"""How is Redis measured: one node, or the nodes of a cluster (`redis_cluster/`), each key on the node that serves it?"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from socket import socket
from typing import Any

from redis import Redis

from devperf_pipeline.model import Address, Facts, OwnOperation, Service
from devperf_pipeline.services.operation import FLOOR, FirstAnswer, Operation, Session
from devperf_pipeline.services.redis.cleanup import claim, remove
from devperf_pipeline.services.redis.connection import (
    EXCEPTIONS,
    RedisConnection,
    asked,
    close_all,
    connect_node,
    explained,
    node_facts,
    pipelined,
)
from devperf_pipeline.services.redis.guest import BLOCK, GUEST, admit, dismiss, dismiss_left, guest_objects
from devperf_pipeline.services.redis.own_operations import Nodes as OwnNodes
from devperf_pipeline.services.redis.own_operations import first_answer, learn
from devperf_pipeline.services.redis.preflight import of_node
from devperf_pipeline.services.redis.workload import MOST_DELETED, Command, Keys, single_node

USERS = (10,)


def open_session(service: Service) -> "RedisSession":
    """A session with one Redis node; raises a `ServiceError`."""
    return RedisSession(service, {service.address: connect_node(service, service.address, expected=False)})


class RedisSession(Session):
    """A session with one or several Redis nodes, where `node_of` says which node serves a key."""

    exceptions: tuple[type[Exception], ...] = EXCEPTIONS
    guest_keys: Sequence[str] = BLOCK

    def __init__(
        self,
        service: Service,
        nodes: Mapping[Address, Redis],
        node_of: Callable[[bytes], int] = lambda _key: 0,
    ) -> None:
        super().__init__()
        self._service = service
        self._addresses, self._nodes, self._node_of = tuple(nodes), tuple(nodes.values()), node_of
        self._keys = Keys(service.name)
        self._seeded: dict[str, list[bytes]] = {}

    def facts(self) -> Facts:
        with self._explained():
            return node_facts(self._nodes[0])

    def objects(self) -> Sequence[str]:
        return [f"keys {self._keys.prefix.decode()}*"]

    def preflight(self) -> Sequence[str]:
        with self._explained():
            return list(of_node(self._nodes[0], self._keys))

    def prepare(self) -> None:
        """Claim our prefix on every node; each operation's `reset` makes its keys."""
        with self._explained():
            claim(self._nodes, self._marker_node, self._keys)

    def operations(self) -> Sequence[Operation]:
        return [self._operation(command) for command in single_node(self._keys)]

    def own_operation(self, own: OwnOperation) -> Operation:
        with self._explained():
            return learn(own, self._asked_nodes).operation()

    def first_answer(self, own: OwnOperation) -> FirstAnswer:
        with self._explained():
            return first_answer(own, self._asked_nodes)

    @property
    def _asked_nodes(self) -> OwnNodes:
        return OwnNodes(clients=self._nodes, of=self._node_of, sockets=self._sockets)

    def _sockets(self, connection: Any) -> Sequence[socket]:
        """One user's sockets, in the order of the nodes."""
        return [connection.take_socket()]

    def _operation(self, command: Command) -> Operation:
        return Operation(
            name=command.name,
            title=command.title,
            users=() if command.name == FLOOR else USERS,
            wire=lambda connection, user, size: command.wire([connection.take_socket()], user, size),
            driver=lambda connection, user, size: command.driver(connection.client, user, size),
            reset=partial(self._reset, command) if command.seed else None,
            finite=command.finite,
            largest=MOST_DELETED,
            sustained=command.name == "get-hit",
        )

    def _reset(self, command: Command, users: int, size: int) -> None:
        """Make what a round of a command starts from; what `lasts` is made again only if a server has lost it."""
        assert command.seed is not None
        with self._explained():
            last = self._seeded.get(command.name)
            if last and all(asked(node, "EXISTS", key) for node, key in zip(self._nodes, last, strict=True)):
                return
        shares: list[list[tuple[bytes, ...]]] = [[] for _ in self._nodes]
        for words in command.seed(users, size):
            shares[self._node_of(words[1])].append(words)
        for address, node, share in zip(self._addresses, self._nodes, shares, strict=True):
            with explained(self._service, address):
                pipelined(node, share)
        if command.lasts and all(shares):
            self._seeded[command.name] = [share[-1][1] for share in shares]

    def store(self, key: str, value: str, seconds: int) -> None:
        """Have a key for so long that somebody else asks for, on the node that serves it."""
        with self._explained():
            asked(self._node_serving(key), "SET", key, value, "EX", seconds)

    def remove(self, key: str) -> None:
        """Remove such a key, if it is there."""
        with self._explained():
            asked(self._node_serving(key), "UNLINK", key)

    def tool_scripts(self) -> Mapping[str, str]:
        """GET of one of our keys. See `operation.Session`."""
        return {"get-hit": f"GET {self._keys.name('key', 42).decode()}"}

    @contextmanager
    def guest(self) -> Generator[str, None, None]:
        with self._explained():
            try:
                for node in self._nodes:
                    admit(node, (*self.guest_keys, self._keys.prefix.decode() + "key:*"))
                yield GUEST
            finally:
                for node in self._nodes:
                    dismiss(node, self.guest_keys)

    def guest_objects(self) -> Sequence[str]:
        return guest_objects(self.guest_keys)

    def connect(self) -> Any:
        return RedisConnection(connect_node(self._service, self._service.address))

    def renew(self, service: Service) -> None:
        nodes = {address: connect_node(service, address) for address in self._addresses}
        close_all(self._nodes)
        self._service, self._nodes, self._seeded = service, tuple(nodes.values()), {}

    def clean(self) -> None:
        """Remove every key of ours, and a guest that was left, on every node."""
        with self._explained():
            for node in self._nodes:
                dismiss_left(node, self.guest_keys)
            remove(self._nodes, self._marker_node, self._keys)

    def close(self) -> None:
        close_all(self._nodes)

    def _node_serving(self, key: str) -> Redis:
        return self._nodes[self._node_of(key.encode())]

    @property
    def _marker_node(self) -> Redis:
        return self._nodes[self._node_of(self._keys.marker)]

    def _explained(self) -> Any:
        return explained(self._service, self._service.address)
