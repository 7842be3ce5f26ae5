"""
What is RabbitMQ asked, by prepared bytes and by pika, and which answers are right?

Each user has a durable classic queue of its own. Publishers await the broker's confirm of every message before the
next, into a queue that keeps the last 100; consumers get one message at a time from a queue that was filled before the
round (1 KiB each, persistent). KB are KiB: bodies have 1,024 or 10,240 bytes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pika

from devperf_pipeline.services.operation import Driver, Operation, Step, Wire, floor
from devperf_pipeline.services.rabbitmq import protocol
from devperf_pipeline.services.rabbitmq.connection import EXCEPTIONS, RabbitConnection, failure

USERS = (20,)
MOST_CONSUMED = 20_000
"""How many messages all users together may consume in a round: 20 MB."""

Fill = Callable[[str, int, int], None]
"""Makes the queues of an operation for so many users, each with so many messages."""


def body_of(kib: int) -> bytes:
    """The body of our messages: every byte value in turn."""
    return bytes(range(256)) * 4 * kib


def queue_of(ours: str, operation: str, user: int) -> str:
    """The queue of one user of one operation."""
    return f"{ours}.{operation}.{user}"


def operations(ours: str, fill: Fill) -> Sequence[Operation]:
    """The floor, publishing and consuming; the names of our queues begin with `ours`."""
    return [
        floor("channel.flow", _floor_wire, _floor_driver),
        *(
            _publish(ours, kib, fill, persistent=persistent)
            for kib in (1, 10)
            for persistent in (False, True)
        ),
        *(_consume(ours, how, fill) for how in ("no", "auto", "manual")),
    ]


def _publish(ours: str, kib: int, fill: Fill, *, persistent: bool) -> Operation:
    name = f"publish-{kib}kb{'-persistent' if persistent else ''}"
    body = body_of(kib)
    properties = pika.BasicProperties(delivery_mode=2 if persistent else 1)

    def wire(connection: RabbitConnection, user: int, _size: int) -> Wire:
        number = connection.fresh_channel(confirm=True).channel_number
        data = protocol.publish(number, queue_of(ours, name, user), body, persistent=persistent)
        return _wire(connection, [data], protocol.ACK, _unconfirmed)

    def driver(connection: RabbitConnection, user: int, _size: int) -> Driver:
        channel, queue = connection.fresh_channel(confirm=True), queue_of(ours, name, user)
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
        reset=lambda users, _size: fill(name, users, 0),
        sustained=kib == 1 and not persistent,
    )


def _consume(ours: str, how: str, fill: Fill) -> Operation:
    name = f"consume-{how}-ack"

    def wire(connection: RabbitConnection, user: int, size: int) -> Wire:
        number = connection.fresh_channel().channel_number
        get = protocol.get(number, queue_of(ours, name, user), no_ack=how == "auto")
        # On a fresh channel the k-th message has tag k: its ack travels with the next get.
        acks = (protocol.ack(number, call) if how == "manual" and call else b"" for call in range(size))
        return _wire(connection, [ack + get for ack in acks], protocol.GET_OK, _wrong_message)

    def driver(connection: RabbitConnection, user: int, size: int) -> Driver:
        channel, queue = connection.fresh_channel(), queue_of(ours, name, user)

        def get(_call: int) -> Any:
            return channel.basic_get(queue, auto_ack=how == "auto")

        def get_and_ack(_call: int) -> Any:
            got = channel.basic_get(queue)
            if got[0] is not None:
                channel.basic_ack(got[0].delivery_tag)
            return got

        return _driver(get_and_ack if how == "manual" else get, _wrong_body, size)

    return Operation(
        name=name,
        title=f"Consume ({how} ack)",
        users=USERS,
        wire=wire,
        driver=driver,
        reset=lambda users, size: fill(name, users, size),
        finite=True,
        largest=MOST_CONSUMED,
    )


def _wire(
    connection: RabbitConnection, calls: list[bytes], expected: bytes, wrong: Callable[[bytes], str | None]
) -> Wire:
    return Wire(
        sockets=[connection.socket],
        calls=[(Step(data, protocol.complete),) for data in calls],
        check=lambda replies: protocol.outcome_of(replies[0], expected),
        verify=lambda replies: wrong(replies[0]),
    )


_driver = partial(Driver.judged, exceptions=EXCEPTIONS, failure=failure)


def _floor_wire(connection: RabbitConnection) -> Wire:
    data = protocol.flow(connection.fresh_channel().channel_number)
    return _wire(connection, [data], protocol.CHANNEL_FLOW_OK, _no_flow)


def _floor_driver(connection: RabbitConnection) -> Driver:
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
