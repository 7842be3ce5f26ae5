"""What is a Redis cluster asked: commands whose keys lie on all nodes, and GET asked of a node that redirects?"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from socket import socket
from typing import Any

from redis import RedisCluster

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.operation import Driver, Operation, Step, Wire, floor
from devperf_pipeline.services.redis import protocol
from devperf_pipeline.services.redis.connection import EXCEPTIONS, RedisConnection, failure
from devperf_pipeline.services.redis.workload import PING, Command, Keys, set_and_get
from devperf_pipeline.services.redis_cluster.slots import SlotMap

USERS = (31,)

Reset = Callable[[Command, int, int], None]


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

    def take_sockets(self) -> list[socket]:
        """A socket for each node, in the order of `SlotMap.addresses`."""
        return [node.take_socket() for node in self.nodes]

    def close(self) -> None:
        """End all of it; never raises."""
        for node in self.nodes:
            node.close()
        if self._client is not None:
            with suppress(*EXCEPTIONS):
                self._client.close()


def operations(keys: Keys, slots: SlotMap, reset: Reset) -> Sequence[Operation]:
    """The floor and the published operations; a redirect needs a second node."""
    ping = floor(
        "PING of the first node",
        lambda connection: PING.wire([connection.nodes[0].take_socket()], 0, 1),
        lambda connection: PING.driver(connection.nodes[0].client, 0, 1),
    )
    commands = set_and_get(keys, suffix=" (distributed)", name_suffix="-distributed")
    measured = [ping, *(_spread(command, slots, reset) for command in commands)]
    return [*measured, _redirected(commands[1], slots, reset)] if len(slots.addresses) > 1 else measured


def _spread(command: Command, slots: SlotMap, reset: Reset) -> Operation:
    """A command whose keys lie on all nodes, each asked of the node that has it."""
    return Operation(
        name=command.name,
        title=command.title,
        users=USERS,
        wire=lambda connection, user, size: command.wire(
            connection.take_sockets(), user, size, lambda words: slots.of(words[1])
        ),
        driver=lambda connection, user, size: command.driver(connection.client, user, size),
        reset=partial(reset, command),
    )


def _redirected(get: Command, slots: SlotMap, reset: Reset) -> Operation:
    """
    GET asked of a node that has not the key, which says MOVED, then of the one that has.

    What a redirect costs is the difference to the GET that goes the right way at once.
    """

    def wrong_node(key: bytes) -> int:
        return (slots.of(key) + 1) % len(slots.addresses)

    def steps(words: tuple[bytes, ...]) -> tuple[Step, ...]:
        data, key = protocol.encode(*words), words[1]
        return tuple(Step(data, protocol.complete, node) for node in (wrong_node(key), slots.of(key)))

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
        return Wire(sockets=connection.take_sockets(), calls=calls, check=check, verify=verify)

    def driver(connection: ClusterConnection, user: int, size: int) -> Driver:
        client: Any = connection.client
        nodes = [client.get_node(address.host, address.port) for address in slots.addresses]
        keys = [get.words(user, call)[1] for call in range(size)]
        prepared = [(key, nodes[wrong_node(key)]) for key in keys]

        def ask(call: int) -> Any:
            key, node = prepared[call % size]
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
        driver=None if slots.elsewhere else driver,
        reset=partial(reset, get),
    )
