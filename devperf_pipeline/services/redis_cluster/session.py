"""
How is a Redis cluster visited and measured?

A user has one socket for each node that serves slots; its keys are spread over all of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from socket import socket
from typing import Any

from redis import Redis, RedisCluster
from redis.cluster import ClusterNode

from devperf_pipeline.model import Address, Facts, Outcome, Service
from devperf_pipeline.services.operation import FLOOR, Driver, Operation, Session, Step, Wire
from devperf_pipeline.services.redis import protocol
from devperf_pipeline.services.redis.guest import (
    BLOCK_OF_CLUSTER,
    GUEST,
    admit,
    dismiss,
    dismiss_left,
    guest_objects,
)
from devperf_pipeline.services.redis.keys import VALUE_BYTES, Keys, LaidIn, claim, close_quietly, remove
from devperf_pipeline.services.redis.preflight import of_node
from devperf_pipeline.services.redis.session import (
    EXCEPTIONS,
    SETTINGS,
    RedisConnection,
    client_options,
    connect_node,
    explained,
    failure,
    listen,
    node_facts,
)
from devperf_pipeline.services.redis.workload import PING, Command, set_and_get
from devperf_pipeline.services.redis_cluster.slots import SlotMap, read_slots

USERS = (31,)


def open_session(service: Service) -> "RedisClusterSession":
    """
    Visit a Redis cluster.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: as they say.

    """
    clients: dict[Address, Redis] = {}
    try:
        for address in service.addresses:
            listen(service, address)
            clients[address] = connect_node(service, address)
        with explained(service, service.address):
            slots = read_slots(service, clients)
    except BaseException:
        close_quietly(*clients.values())
        raise
    return RedisClusterSession(service, clients, slots)


class ClusterConnection:
    """One user: a connection for each node, and the driver's cluster client once it is asked for."""

    def __init__(self, nodes: Sequence[RedisConnection], make_client: Callable[[], RedisCluster]) -> None:
        self.nodes = nodes
        self._make_client = make_client
        self._client: RedisCluster | None = None

    @property
    def client(self) -> RedisCluster:
        """The driver as an application uses it."""
        if self._client is None:
            self._client = self._make_client()
        return self._client

    def close(self) -> None:
        """End all of it."""
        for node in self.nodes:
            node.close()
        if self._client is not None:
            with suppress(*EXCEPTIONS):
                self._client.close()


class RedisClusterSession(Session):
    """One visit to a Redis cluster."""

    exceptions = EXCEPTIONS

    def __init__(self, service: Service, clients: dict[Address, Redis], slots: SlotMap) -> None:
        super().__init__()
        self._service = service
        self._clients = clients
        self._slots = slots
        self._serving = [clients[address] for address in slots.addresses]
        self._keys = Keys(service.name)
        self._laid = LaidIn()

    def facts(self) -> Facts:
        """Version and settings of the first node, and the cluster's size."""
        with explained(self._service, self._service.address):
            facts = node_facts(self._serving[0], (*SETTINGS, "cluster-require-full-coverage"))
        size = f"{len(self._serving)} nodes, {len(self._slots.node_of)} slots"
        return Facts(
            product=f"{facts.product} cluster ({size})", version=facts.version, settings=facts.settings
        )

    def objects(self) -> Sequence[str]:
        """Every key of ours, on whichever node."""
        return [f"keys {self._keys.prefix.decode()}*"]

    def assume(self) -> None:
        """The operations are known without having prepared anything."""

    def preflight(self) -> Sequence[str]:
        """What would spoil a measurement, node by node; see `operation.Session`."""
        found: list[str] = []
        for address, node in zip(self._slots.addresses, self._serving, strict=True):
            with explained(self._service, address):
                found += [f"{address}: {each}" for each in of_node(node, self._keys)]
        elsewhere = [f"{said[0]}:{said[1]}" for said, here in self._slots.announced.items() if said != here]
        if elsewhere:
            found.append(
                f"its nodes call themselves {', '.join(elsewhere)}: they are asked at the addresses of the stack file, "
                "and the driver, which would follow a redirect there, has no row for it"
            )
        return found

    def prepare(self) -> None:
        """Claim our prefix on every node; each operation's `reset` lays in its keys."""
        with explained(self._service, self._service.address):
            claim(self._serving, self._marker_node, self._keys)

    @property
    def _marker_node(self) -> Redis:
        return self._serving[self._slots.of(self._keys.marker)]

    def operations(self) -> Sequence[Operation]:
        """The floor and the published operations; a redirect needs a second node."""
        floor = Operation(
            name=FLOOR,
            title="PING of the first node",
            wire=lambda connection, user, size: PING.wire([connection.nodes[0].take_socket()], user, size),
            driver=lambda connection, user, size: PING.driver(
                connection.nodes[0].client, user, size, exceptions=EXCEPTIONS, failure=failure
            ),
        )
        set_, get = set_and_get(self._keys, suffix=" (distributed)", name_suffix="-distributed")
        measured = [floor, self._spread(set_), self._spread(get)]
        return [*measured, self._redirected(get)] if len(self._serving) > 1 else measured

    def _spread(self, command: Command) -> Operation:
        """A command whose keys lie on all nodes, each asked of the node that has it."""
        return Operation(
            name=command.name,
            title=command.title,
            users=USERS,
            wire=lambda connection, user, size: command.wire(
                _sockets(connection), user, size, lambda words: self._slots.of(words[1])
            ),
            driver=lambda connection, user, size: command.driver(
                connection.client, user, size, exceptions=EXCEPTIONS, failure=failure
            ),
            reset=self._reset(command),
        )

    def _redirected(self, get: Command) -> Operation:
        """
        GET asked of a node that has not the key, which says MOVED, then of the one that has.

        What a redirect costs is the difference to the GET that goes the right way at once.
        """

        def wrong_node(key: bytes) -> int:
            return (self._slots.of(key) + 1) % len(self._serving)

        def steps(words: tuple[bytes, ...]) -> tuple[Step, ...]:
            data, key = protocol.encode(*words), words[1]
            return Step(data, protocol.complete, wrong_node(key)), Step(
                data, protocol.complete, self._slots.of(key)
            )

        def check(replies: list[bytes]) -> int:
            moved, answer = replies
            if not moved.startswith(b"-MOVED "):
                return Outcome.ERROR if moved.startswith(b"-") else Outcome.WRONG
            return Outcome.OK if answer.startswith(get.begins) else protocol.outcome_of_other(answer)

        def verify(replies: list[bytes]) -> str | None:
            moved, answer = replies
            if not moved.startswith(b"-MOVED "):
                return f"a node that has not the key answered {moved[:200]!r} instead of MOVED"
            return get.wrong(protocol.decode_or_raw(answer))

        def wire(connection: ClusterConnection, user: int, size: int) -> Wire:
            calls = [steps(get.words(user, call)) for call in range(size)]
            return Wire(sockets=_sockets(connection), calls=calls, check=check, verify=verify)

        def driver(connection: ClusterConnection, user: int, size: int) -> Driver:
            client = connection.client
            nodes = [client.get_node(address.host, address.port) for address in self._slots.addresses]
            asked = [
                (words[1], nodes[wrong_node(words[1])]) for words in (get.words(user, k) for k in range(size))
            ]

            def ask(call: int) -> Any:
                key, node = asked[call % size]
                return client.execute_command("GET", key, target_nodes=node)

            return Driver(
                call=ask,
                check=lambda answer: Outcome.OK if get.right(answer) else Outcome.WRONG,
                verify=get.wrong,
                exceptions=EXCEPTIONS,
                failure=failure,
            )

        return Operation(
            name="cross-slot",
            title="Cross-slot operation",
            users=USERS,
            wire=wire,
            # redis-py follows a redirect to the address that the node announces, whatever `address_remap` says.
            driver=driver if all(said == here for said, here in self._slots.announced.items()) else None,
            reset=self._reset(get),
        )

    def _reset(self, command: Command) -> Callable[[int, int], None]:
        def reset(users: int, size: int) -> None:
            with explained(self._service, self._service.address):
                if all(self._laid.is_on(node, command.name) for node in self._serving):
                    return
            shares: list[list[tuple[bytes, ...]]] = [[] for _ in self._serving]
            for words in command.seed(users, size) if command.seed else ():
                shares[self._slots.of(words[1])].append(words)
            for address, node, share in zip(self._slots.addresses, self._serving, shares, strict=True):
                with explained(self._service, address):
                    self._laid.lay_in(node, command.name, share, lasts=command.lasts)

        return reset

    def tool_scripts(self) -> Mapping[str, str]:
        """SET of keys on all nodes, of values as long as ours. See `operation.Session`."""
        return {"set-distributed": f"SET key:{{tag}}:__rand_int__ {'v' * VALUE_BYTES}"}

    @contextmanager
    def guest(self) -> Iterator[str]:
        """See `operation.Session`."""
        with explained(self._service, self._service.address):
            try:
                for node in self._serving:
                    admit(node, BLOCK_OF_CLUSTER)
                yield GUEST
            finally:
                for node in self._serving:
                    dismiss(node, BLOCK_OF_CLUSTER)

    def guest_objects(self) -> Sequence[str]:
        """See `operation.Session`."""
        return guest_objects(BLOCK_OF_CLUSTER)

    def connect(self) -> ClusterConnection:
        """A new user with a connection to each node."""
        nodes: list[RedisConnection] = []
        try:
            for address in self._slots.addresses:
                nodes.append(RedisConnection(connect_node(self._service, address)))  # noqa: PERF401 - closed on error
        except BaseException:
            for node in nodes:
                node.close()
            raise
        return ClusterConnection(nodes, self._cluster_client)

    def _cluster_client(self) -> RedisCluster:
        announced = self._slots.announced
        with explained(self._service, self._service.address):
            return RedisCluster(
                startup_nodes=[ClusterNode(address.host, address.port) for address in self._slots.addresses],
                address_remap=lambda said: announced.get(said, said),
                # Our redirects are asked for: the map is not stale, and reading it anew after every fifth one
                # would be timed as part of them.
                reinitialize_steps=0,
                **client_options(self._service),
            )

    def renew(self, service: Service) -> None:
        """Go on with other credentials."""
        other = open_session(service)
        close_quietly(*self._clients.values())
        self._service, self._clients, self._slots = service, other._clients, other._slots  # noqa: SLF001 - our own kind
        self._serving, self._laid = other._serving, LaidIn()  # noqa: SLF001 - our own kind

    def clean(self) -> None:
        """Remove every key of ours, and a guest that was left, on every node."""
        with explained(self._service, self._service.address):
            for node in self._serving:
                dismiss_left(node, BLOCK_OF_CLUSTER)
            remove(self._serving, self._marker_node, self._keys)

    def close(self) -> None:
        """End the visit."""
        close_quietly(*self._clients.values())


def _sockets(connection: ClusterConnection) -> list[socket]:
    return [node.take_socket() for node in connection.nodes]
