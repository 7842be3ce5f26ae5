"""
How is RabbitMQ visited and measured?

Each user has a durable classic queue of its own. Publishers await the broker's confirm of every message before the
next, into a queue that keeps the last 100; consumers get one message at a time from a queue that was filled before the round (1 KiB each, persistent).
KB are KiB: bodies have 1,024 or 10,240 bytes.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from devperf_pipeline.errors import ServiceError, ServiceRefused, WrongAnswer
from devperf_pipeline.model import Facts, Outcome, Service
from devperf_pipeline.services.operation import (
    DEADLINE_S,
    FLOOR,
    OUR_NAME,
    Driver,
    Operation,
    Session,
    Step,
    Wire,
)
from devperf_pipeline.services.probe import hear, hung_up_after, show
from devperf_pipeline.services.rabbitmq import protocol
from devperf_pipeline.services.rabbitmq.connection import (
    EXCEPTIONS,
    RabbitConnection,
    connect,
    explanation,
    failure,
)
from devperf_pipeline.services.rabbitmq.management import MARK, Management

USERS = (20,)
LAID_IN = 20_000
"""How many messages all users together may consume in a round: 20 MB."""

KEPT = 100
"""
How many messages a queue that is published to keeps: the oldest goes when one more comes, as if it were consumed.

Without this the queues of one round of 10 KiB messages fill a broker of 256 MB, and what is measured is its alarm.
"""

FILL_CHUNK = 100


def body_of(kib: int) -> bytes:
    """The body of our messages: every byte value in turn."""
    return bytes(range(256)) * 4 * kib


def open_session(service: Service) -> "RabbitSession":
    """
    Visit a broker.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: as they say.

    """
    heard = hear(
        service, service.address, say=protocol.PROTOCOL_HEADER, enough=lambda heard: len(heard) >= 11
    )
    if heard[0] != protocol.METHOD or heard[7:11] != protocol.CONNECTION_START:
        raise WrongAnswer(
            f"{service.name}: expected AMQP 0-9-1 at {service.address}, heard {show(heard)}. "
            "Correct the address in the stack file."
        )
    return RabbitSession(service, Management(service))


class RabbitSession(Session):
    """One visit to one broker."""

    exceptions = EXCEPTIONS

    def __init__(self, service: Service, management: Management) -> None:
        super().__init__()
        self._service = service
        self._management = management
        self._filler: RabbitConnection | None = None

    def facts(self) -> Facts:
        """Versions and settings, asked from the management API."""
        version, erlang, settings = self._management.facts()
        return Facts(product=f"RabbitMQ {version} (Erlang {erlang})", version=version, settings=settings)

    def objects(self) -> Sequence[str]:
        """A vhost of our own where we may make one, and a queue for each user of each operation."""
        vhost = self._management.vhost
        own = [f"vhost {vhost}"] if self._management.own_vhost else []
        names = [operation.name for operation in self.operations() if operation.name != FLOOR]
        return [*own, *(f"queue {queue_of(name, 0)[:-1]}*" for name in names)]

    def assume(self) -> None:
        """The operations are known without having prepared anything."""

    def preflight(self) -> Sequence[str]:
        """What would spoil a measurement; see `operation.Session`."""
        found = list(self._management.preflight())
        if not self._management.own_vhost:
            try:
                self.connect().close()
            except ServiceError as error:
                found.append(str(error))
        return found

    def prepare(self) -> None:
        """Make a vhost of our own, or make sure of the shared one; each operation's `reset` lays in its queues."""
        self._management.refuse_alarms()
        self._management.claim()
        self._filler = self.connect()

    def operations(self) -> Sequence[Operation]:
        """The floor, publishing and consuming."""
        floor = Operation(name=FLOOR, title="channel.flow", wire=_floor_wire, driver=_floor_driver)
        publishing = [
            self._publish(kib, persistent=persistent) for kib in (1, 10) for persistent in (False, True)
        ]
        consuming = [self._consume(how) for how in ("no", "auto", "manual")]
        return [floor, *publishing, *consuming]

    def _publish(self, kib: int, *, persistent: bool) -> Operation:
        name = f"publish-{kib}kb{'-persistent' if persistent else ''}"
        body = body_of(kib)
        properties = pika.BasicProperties(delivery_mode=2 if persistent else 1)

        def wire(connection: RabbitConnection, user: int, _size: int) -> Wire:
            number = connection.fresh_channel(confirm=True).channel_number
            data = protocol.publish(number, queue_of(name, user), body, persistent=persistent)
            return _wire(connection, [data], protocol.ACK, _unconfirmed)

        def driver(connection: RabbitConnection, user: int, _size: int) -> Driver:
            channel, queue = connection.fresh_channel(confirm=True), queue_of(name, user)
            return _driver(
                # Raises unless it was confirmed.
                lambda _call: channel.basic_publish("", queue, body, properties, mandatory=True),
                lambda answer: None if answer is None else f"the driver returned {answer!r:.200}",
            )

        return Operation(
            name=name,
            title=f"Publish ({kib}KB, {'persistent' if persistent else 'non-persistent'})",
            users=USERS,
            wire=wire,
            driver=driver,
            reset=lambda users, _size: self._lay_in(name, users, 0),
            sustained=kib == 1 and not persistent,
        )

    def _consume(self, how: str) -> Operation:
        name = f"consume-{how}-ack"

        def wire(connection: RabbitConnection, user: int, size: int) -> Wire:
            number = connection.fresh_channel().channel_number
            get = protocol.get(number, queue_of(name, user), no_ack=how == "auto")
            # On a fresh channel the k-th message has tag k: its ack travels with the next get.
            acks = (protocol.ack(number, call) if how == "manual" and call else b"" for call in range(size))
            return _wire(connection, [ack + get for ack in acks], protocol.GET_OK, _wrong_message)

        def driver(connection: RabbitConnection, user: int, size: int) -> Driver:
            channel, queue = connection.fresh_channel(), queue_of(name, user)

            def get(_call: int) -> Any:
                return channel.basic_get(queue, auto_ack=how == "auto")

            def get_and_ack(_call: int) -> Any:
                got = channel.basic_get(queue)
                if got[0] is not None:
                    channel.basic_ack(got[0].delivery_tag)
                return got

            return _driver(get_and_ack if how == "manual" else get, _wrong_body, size=size)

        return Operation(
            name=name,
            title=f"Consume ({how} ack)",
            users=USERS,
            wire=wire,
            driver=driver,
            reset=lambda users, size: self._lay_in(name, users, size),
            finite=True,
            largest=LAID_IN,
        )

    def _lay_in(self, operation: str, users: int, size: int) -> None:
        """
        New queues for the users of an operation, each with `size` messages.

        Raises:
            ServiceRefused: the broker does not take them all.

        """
        assert self._filler is not None, "prepare() comes before reset()"
        filler = self._filler
        arguments = {"x-queue-type": "classic", "x-made-by": MARK} | ({} if size else {"x-max-length": KEPT})
        self._management.refuse_alarms(patience_s=DEADLINE_S)
        try:
            channel = filler.fresh_channel()
            queues = [queue_of(operation, user) for user in range(users)]
            for queue in queues:
                with hung_up_after(filler.socket):
                    channel.queue_delete(queue)
                    channel.queue_declare(queue, durable=True, arguments=arguments)
                message = protocol.publish(channel.channel_number, queue, body_of(1), persistent=True)
                # Straight to the socket, without confirms: the count tells whether all arrived.
                filler.socket.settimeout(DEADLINE_S)
                for laid_in in range(0, size, FILL_CHUNK):
                    filler.socket.sendall(message * min(FILL_CHUNK, size - laid_in))
            for queue in queues if size else ():
                self._await_messages(filler, channel, queue, size)
        except EXCEPTIONS as error:
            self._management.refuse_alarms()
            raise explanation(self._service, error) from error

    def _await_messages(
        self, filler: RabbitConnection, channel: BlockingChannel, queue: str, expected: int
    ) -> None:
        """Wait until a queue holds what was sent: it answers questions before it takes messages in."""
        ends, found = time.monotonic() + DEADLINE_S, -1
        while time.monotonic() < ends:
            with hung_up_after(filler.socket):
                before, found = found, channel.queue_declare(queue, passive=True).method.message_count
            if found == expected:
                return
            if found > before:
                ends = time.monotonic() + DEADLINE_S
            time.sleep(0.002)
        raise ServiceRefused(
            f"{self._service.name}: {expected} messages were sent to queue {queue!r}, it holds {found}. "
            "Look at the broker's policies (maximal length, time to live) and alarms."
        )

    def connect(self) -> RabbitConnection:
        """A new connection to our vhost."""
        return connect(self._service, self._management.vhost)

    def renew(self, service: Service) -> None:
        """Go on with other credentials."""
        management = Management(service)
        self._end_filler()
        self._service, self._management = service, management
        self._filler = self.connect()

    def clean(self) -> None:
        """Remove our vhost, or our queues."""
        self._end_filler()
        self._management.remove()

    def close(self) -> None:
        """End the visit."""
        self._end_filler()

    def _end_filler(self) -> None:
        if self._filler is not None:
            self._filler.close()
            self._filler = None


def queue_of(operation: str, user: int) -> str:
    """The queue of one user of one operation."""
    return f"{OUR_NAME}.{operation}.{user}"


def _wire(
    connection: RabbitConnection, calls: list[bytes], expected: bytes, wrong: Callable[[bytes], str | None]
) -> Wire:
    return Wire(
        sockets=[connection.socket],
        calls=[(Step(data, protocol.complete),) for data in calls],
        check=lambda replies: protocol.outcome_of(replies[0], expected),
        verify=lambda replies: wrong(replies[0]),
    )


def _driver(
    call: Callable[[int], Any], wrong: Callable[[Any], str | None], size: int | None = None
) -> Driver:
    return Driver(
        call=call,
        check=lambda answer: Outcome.OK if wrong(answer) is None else Outcome.WRONG,
        verify=wrong,
        exceptions=EXCEPTIONS,
        failure=failure,
        size=size,
    )


def _floor_wire(connection: RabbitConnection, _user: int, _size: int) -> Wire:
    data = protocol.flow(connection.fresh_channel().channel_number)
    return _wire(connection, [data], protocol.CHANNEL_FLOW_OK, _no_flow)


def _floor_driver(connection: RabbitConnection, _user: int, _size: int) -> Driver:
    channel = connection.fresh_channel()
    return _driver(
        lambda _call: channel.flow(active=True),
        lambda answer: None if answer is True else f"flow is {answer!r}",
    )


def _no_flow(reply: bytes) -> str | None:
    return None if reply[7:12] == protocol.CHANNEL_FLOW_OK + b"\x01" else protocol.said(reply)


def _unconfirmed(reply: bytes) -> str | None:
    last = list(protocol.frames(reply))[-1:]
    return None if last and last[0][1].startswith(protocol.ACK) else protocol.said(reply)


def _wrong_message(reply: bytes) -> str | None:
    got = protocol.message(reply)
    return protocol.said(reply) if got is None else _wrong_body((got, None, got.body))


def _wrong_body(got: Any) -> str | None:
    method, _, body = got
    if method is None:
        return "the queue is empty"
    return (
        None
        if body == body_of(1)
        else f"expected our message of 1 KiB, found {len(body or b'')} bytes: {body!r:.100}"
    )
