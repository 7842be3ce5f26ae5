"""
How does RabbitMQ speak: what is sent, when is a reply whole, and what does it say?

Frames of AMQP 0-9-1: type (1), channel (2), size (4), payload, 0xCE. A method's payload begins with class (2) and
method (2); a message is a method, a header with the body's size, and body frames.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from devperf_pipeline.model import Outcome

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, HEADER, BODY = 1, 2, 3
END = 0xCE
FRAME_MAX = 131_072
"""The frame size of every broker that was not told otherwise."""

CONNECTION_START = struct.pack(">HH", 10, 10)
CONNECTION_CLOSE = struct.pack(">HH", 10, 50)
CONNECTION_BLOCKED = struct.pack(">HH", 10, 60)
CONNECTION_UNBLOCKED = struct.pack(">HH", 10, 61)
CHANNEL_FLOW = struct.pack(">HH", 20, 20)
CHANNEL_FLOW_OK = struct.pack(">HH", 20, 21)
CHANNEL_CLOSE = struct.pack(">HH", 20, 40)
PUBLISH = struct.pack(">HH", 60, 40)
RETURN = struct.pack(">HH", 60, 50)
GET = struct.pack(">HH", 60, 70)
GET_OK = struct.pack(">HH", 60, 71)
GET_EMPTY = struct.pack(">HH", 60, 72)
ACK = struct.pack(">HH", 60, 80)
NACK = struct.pack(">HH", 60, 120)

NO_REPLY = (CONNECTION_BLOCKED, CONNECTION_UNBLOCKED)
"""What the broker says unasked."""

REFUSALS = (NACK, RETURN, CHANNEL_CLOSE, CONNECTION_CLOSE)

_FRAME = struct.Struct(">BHI")
_DELIVERY_MODE = 1 << 12


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """One frame."""
    return b"%b%b\xce" % (_FRAME.pack(kind, channel, len(payload)), payload)


def publish(channel: int, queue: str, body: bytes, *, persistent: bool) -> bytes:
    """A message to a queue by way of the default exchange, mandatory: one that reaches no queue comes back."""
    mandatory = b"\x01"
    method = PUBLISH + b"\0\0" + _short("") + _short(queue) + mandatory
    header = struct.pack(">HHQHB", 60, 0, len(body), _DELIVERY_MODE, 2 if persistent else 1)
    room = FRAME_MAX - 8
    parts = [frame(BODY, channel, body[begin : begin + room]) for begin in range(0, len(body), room)]
    return b"".join((frame(METHOD, channel, method), frame(HEADER, channel, header), *parts))


def get(channel: int, queue: str, *, no_ack: bool) -> bytes:
    """Ask for one message; with `no_ack` it is gone once sent."""
    return frame(METHOD, channel, GET + b"\0\0" + _short(queue) + (b"\x01" if no_ack else b"\0"))


def ack(channel: int, delivery_tag: int) -> bytes:
    """Acknowledge one message."""
    return frame(METHOD, channel, ACK + struct.pack(">QB", delivery_tag, 0))


def flow(channel: int) -> bytes:
    """Ask the broker to go on sending, as it does anyway: a round trip that does nothing."""
    return frame(METHOD, channel, CHANNEL_FLOW + b"\x01")


def complete(buffer: bytes) -> bool:
    """Whether the buffer holds one whole reply: a method that answers, with its message if it brings one."""
    size = len(buffer)
    if size < 12 or buffer[-1] != END:
        return False
    at, body_left, answered = 0, -1, False
    while size - at >= 8:
        kind, _, length = _FRAME.unpack_from(buffer, at)
        payload, at = at + 7, at + 8 + length
        if at > size:
            return False
        if kind == METHOD:
            what = buffer[payload : payload + 4]
            if what not in (GET_OK, RETURN, *NO_REPLY):
                return True
            answered = what == GET_OK
        elif kind == HEADER:
            body_left = int.from_bytes(buffer[payload + 4 : payload + 12], "big")
        elif kind == BODY:
            body_left -= length
        if answered and body_left == 0:
            return True
        if body_left == 0:
            # A returned message; what became of the publishing follows.
            body_left = -1
    return False


def frames(reply: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of every whole frame."""
    at = 0
    while len(reply) - at >= 8:
        kind, _, length = _FRAME.unpack_from(reply, at)
        yield kind, reply[at + 7 : at + 7 + length]
        at += 8 + length


def outcome_of(reply: bytes, expected: bytes) -> Outcome:
    """How a call ended of which a method was expected."""
    if reply[7:11] == expected:
        return Outcome.OK
    methods = [payload[:4] for kind, payload in frames(reply) if kind == METHOD]
    if any(method in REFUSALS for method in methods):
        return Outcome.ERROR
    return Outcome.OK if expected in methods else Outcome.WRONG


def said(reply: bytes) -> str:
    """What a reply says, for people: the broker's own words where it has some."""
    for kind, payload in frames(reply):
        if kind == METHOD and payload[:4] in (CHANNEL_CLOSE, CONNECTION_CLOSE, RETURN):
            return f"{int.from_bytes(payload[4:6], 'big')} {_shown(payload, 6)}"
        if kind == METHOD and payload[:4] == CONNECTION_BLOCKED:
            return f"publishers are blocked: {_shown(payload, 4)}"
        if kind == METHOD and payload[:4] == GET_EMPTY:
            return "the queue is empty"
    return f"bytes {reply[:60]!r}"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was got."""

    delivery_tag: int
    body: bytes


def message(reply: bytes) -> Message | None:
    """The message that a reply brings, None if it brings none."""
    tag, parts = None, list[bytes]()
    for kind, payload in frames(reply):
        if kind == METHOD and payload[:4] == GET_OK:
            tag = int.from_bytes(payload[4:12], "big")
        elif kind == BODY:
            parts.append(payload)
    return None if tag is None else Message(tag, b"".join(parts))


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded


def _shown(payload: bytes, at: int) -> str:
    return payload[at + 1 : at + 1 + payload[at]].decode(errors="replace")
