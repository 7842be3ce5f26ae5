import struct

import pytest

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.rabbitmq import protocol

BODY = bytes(range(256)) * 4
CONFIRM = protocol.frame(protocol.METHOD, 1, protocol.ACK + struct.pack(">QB", 1, 0))
EMPTY = protocol.frame(protocol.METHOD, 1, protocol.GET_EMPTY + b"\x00")
BLOCKED = protocol.frame(protocol.METHOD, 0, protocol.CONNECTION_BLOCKED + b"\x0alow memory")
CLOSED = protocol.frame(
    protocol.METHOD, 1, protocol.CHANNEL_CLOSE + struct.pack(">H", 404) + b"\x09NOT_FOUND" + bytes(4)
)
HEARTBEAT = protocol.frame(8, 0, b"")


def content(channel: int, *bodies: bytes) -> bytes:
    size = sum(map(len, bodies))
    header = protocol.frame(protocol.HEADER, channel, struct.pack(">HHQHB", 60, 0, size, 1 << 12, 2))
    return header + b"".join(protocol.frame(protocol.BODY, channel, body) for body in bodies)


GOT = protocol.frame(protocol.METHOD, 1, protocol.GET_OK + struct.pack(">QB", 7, 0) + b"\0\x01q" + bytes(4))
RETURNED = protocol.frame(
    protocol.METHOD, 1, protocol.RETURN + struct.pack(">H", 312) + b"\x08NO_ROUTE\0\x01q"
)
REPLIES = {
    "confirm": CONFIRM,
    "flow": protocol.frame(protocol.METHOD, 1, protocol.CHANNEL_FLOW_OK + b"\x01"),
    "empty": EMPTY,
    "message": GOT + content(1, BODY),
    "message in two frames": GOT + content(1, BODY[:1000], BODY[1000:]),
    "message without a body": GOT + content(1),
    "returned, then confirmed": RETURNED + content(1, BODY) + CONFIRM,
    "returned without a body, then confirmed": RETURNED + content(1) + CONFIRM,
    "blocked, then confirmed": BLOCKED + HEARTBEAT + CONFIRM,
    "closed": CLOSED,
}


class TestComplete:
    @pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
    def test_is_false_at_every_cut(self, reply: bytes) -> None:
        """A reply is whole when its last byte has come, and at no byte before."""
        expected = [False] * len(reply) + [True]
        assert expected == [protocol.complete(reply[:cut]) for cut in range(len(reply) + 1)]

    def test_does_not_take_what_comes_unasked_for_an_answer(self) -> None:
        """A heartbeat or a blocked connection answers nothing."""
        assert not protocol.complete(HEARTBEAT + BLOCKED)


class TestOutcomeOf:
    @pytest.mark.parametrize(
        ("reply", "asked", "expected"),
        [
            ("confirm", protocol.ACK, Outcome.OK),
            ("blocked, then confirmed", protocol.ACK, Outcome.OK),
            ("returned, then confirmed", protocol.ACK, Outcome.ERROR),
            ("closed", protocol.ACK, Outcome.ERROR),
            ("message", protocol.GET_OK, Outcome.OK),
            ("empty", protocol.GET_OK, Outcome.WRONG),
        ],
    )
    def test_names_how_it_ended(self, reply: str, asked: bytes, expected: Outcome) -> None:
        """A message that reached no queue is an error, an empty queue is a wrong answer."""
        assert expected == protocol.outcome_of(REPLIES[reply], asked)


class TestMessage:
    def test_joins_the_frames_of_a_body(self) -> None:
        """A body is whole, however many frames it came in."""
        assert protocol.Message(7, BODY) == protocol.message(REPLIES["message in two frames"])

    def test_is_none_without_one(self) -> None:
        """An empty queue brings no message."""
        assert protocol.message(EMPTY) is None


class TestSaid:
    @pytest.mark.parametrize(
        ("reply", "expected"),
        [
            ("closed", "404 NOT_FOUND"),
            ("returned, then confirmed", "312 NO_ROUTE"),
            ("blocked, then confirmed", "publishers are blocked: low memory"),
            ("empty", "the queue is empty"),
        ],
    )
    def test_repeats_the_brokers_words(self, reply: str, expected: str) -> None:
        """What is wrong is told in the broker's own words."""
        assert expected == protocol.said(REPLIES[reply])


class TestPublish:
    def test_splits_a_large_body(self) -> None:
        """No frame is larger than the broker's limit, and nothing is lost."""
        body = bytes(300_000)
        parts = list(protocol.frames(protocol.publish(3, "q", body, persistent=True)))
        assert [protocol.METHOD, protocol.HEADER, *[protocol.BODY] * 3] == [kind for kind, _ in parts]
        assert body == b"".join(payload for kind, payload in parts if kind == protocol.BODY)
        assert max(len(payload) + 8 for _, payload in parts) <= protocol.FRAME_MAX
