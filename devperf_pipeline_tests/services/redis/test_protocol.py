import pytest

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.redis import protocol

WHOLE: list[tuple[bytes, object]] = [
    (b"+OK\r\n", b"OK"),
    (b"-ERR unknown command\r\n", b"ERR unknown command"),
    (b":0\r\n", 0),
    (b":-1\r\n", -1),
    (b"$-1\r\n", None),
    (b"$0\r\n\r\n", b""),
    (b"$5\r\nhello\r\n", b"hello"),
    (b"$9\r\n\r\n$1\r\na\r\n\r\n", b"\r\n$1\r\na\r\n"),
    (b"*-1\r\n", None),
    (b"*0\r\n", []),
    (b"*3\r\n:1\r\n$-1\r\n*2\r\n+a\r\n$2\r\n\r\n\r\n", [1, None, [b"a", b"\r\n"]]),
]


class TestComplete:
    @pytest.mark.parametrize("reply", [reply for reply, _ in WHOLE])
    def test_is_false_at_every_cut(self, reply: bytes) -> None:
        """A reply is whole when its last byte has come, and at no byte before."""
        expected = [False] * len(reply) + [True]
        assert expected == [protocol.complete(reply[:cut]) for cut in range(len(reply) + 1)]

    def test_never_takes_another_protocol_for_a_reply(self) -> None:
        """What is no RESP never becomes whole."""
        assert not protocol.complete(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class TestDecode:
    @pytest.mark.parametrize(("reply", "expected"), WHOLE)
    def test_says_what_the_reply_says(self, reply: bytes, expected: object) -> None:
        """Every kind of reply is decoded to its value."""
        assert expected == protocol.decode(reply)

    @pytest.mark.parametrize(
        "broken", [b"", b"$5\r\nhel", b"+OK\r\n+OK\r\n", b"$1\r\na\r\n:1\r\n", b"HTTP/1.1\r\n"]
    )
    def test_refuses_what_is_not_exactly_one_reply(self, broken: bytes) -> None:
        """Less or more than one reply is not a value."""
        with pytest.raises(ValueError, match="not one whole RESP reply"):
            protocol.decode(broken)

    @pytest.mark.parametrize("garbage", [b"$5x\r\nhello\r\n", b"*two\r\n", b"*1\r\n$-\r\n"])
    def test_garbage_is_whole_and_wrong(self, garbage: bytes) -> None:
        """What only begins like RESP ends the call, and is never taken for an answer."""
        assert protocol.complete(garbage)
        assert Outcome.WRONG == protocol.outcome_of_other(garbage)
        assert [garbage] == protocol.decode_or_raw(garbage)

    def test_keeps_errors_apart_from_answers(self) -> None:
        """The text of an error is never equal in kind to a value."""
        assert isinstance(protocol.decode(b"-ERR no\r\n"), protocol.ErrorReply)


class TestEncode:
    def test_counts_bytes(self) -> None:
        """Lengths are those of the bytes, whatever they hold."""
        assert (
            protocol.encode(b"SET", b"k\r\n", "ö".encode())
            == b"*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$2\r\n\xc3\xb6\r\n"
        )


class TestOutcomeOfOther:
    @pytest.mark.parametrize(
        ("reply", "expected"),
        [
            (b"-MOVED 1 h:1\r\n", Outcome.REDIRECTED),
            (b"-ASK 1 h:1\r\n", Outcome.REDIRECTED),
            (b"-OOM command not allowed\r\n", Outcome.ERROR),
            (b":7\r\n", Outcome.WRONG),
        ],
    )
    def test_names_how_it_ended(self, reply: bytes, expected: Outcome) -> None:
        """Redirects, refusals and wrong answers are different things."""
        assert expected == protocol.outcome_of_other(reply)
