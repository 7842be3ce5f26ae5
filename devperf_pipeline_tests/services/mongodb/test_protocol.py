import struct
from typing import Any

import bson
import pytest
from bson.int64 import Int64

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.mongodb import protocol as wire


def reply(document: dict[str, Any], *, flags: int = 0, after: bytes = b"") -> bytes:
    body = bson.encode(document)
    return struct.pack("<iiiiIB", 21 + len(body) + len(after), 7, 1, 2013, flags, 0) + body + after


def found(*ids: Any) -> bytes:
    return reply({"cursor": {"firstBatch": [{"_id": each} for each in ids], "id": 0, "ns": "a.b"}, "ok": 1.0})


DONE = reply({"n": 1, "ok": 1.0})
DUPLICATE = reply({"n": 0, "writeErrors": [{"index": 0, "code": 11000, "errmsg": "duplicate"}], "ok": 1.0})
UNDURABLE = reply({"n": 1, "writeConcernError": {"code": 64, "errmsg": "waited"}, "ok": 1.0})
REFUSED = reply({"ok": 0.0, "errmsg": "not allowed", "code": 13, "codeName": "Unauthorized"})


class TestEncoding:
    def test_ping(self) -> None:
        """A header of sixteen bytes, no flags, one section of kind 0, and the command with its database."""
        message = wire.encode({"ping": 1}, "devperf")
        assert struct.unpack("<iiiiIB", message[:21]) == (len(message), 1, 0, 2013, 0, 0)
        assert bson.decode(message[21:]) == {"ping": 1, "$db": "devperf"}


class TestComplete:
    @pytest.mark.parametrize("whole", [DONE, found(*range(300)), REFUSED])
    def test_only_whole_replies(self, whole: bytes) -> None:
        """No beginning of a reply is taken for the whole."""
        assert [len(whole)] == [end for end in range(len(whole) + 1) if wire.complete(whole[:end])]
        assert wire.complete(bytearray(whole))


class TestCheck:
    @pytest.mark.parametrize(
        ("mark", "count", "answer", "expected"),
        [
            (wire.ONE_DONE, 1, DONE, Outcome.OK),
            (wire.ONE_DONE, 1, reply({"n": 0, "ok": 1.0}), Outcome.WRONG),
            (wire.ONE_DONE, 1, DUPLICATE, Outcome.ERROR),
            (wire.ONE_DONE, 1, UNDURABLE, Outcome.ERROR),
            (wire.ONE_DONE, 1, REFUSED, Outcome.ERROR),
            (wire.ONE_MODIFIED, 1, reply({"n": 1, "nModified": 1, "ok": 1.0}), Outcome.OK),
            (wire.ONE_MODIFIED, 1, reply({"n": 1, "nModified": 0, "ok": 1.0}), Outcome.WRONG),
            (wire.ID, 3, found(1, 2, 3), Outcome.OK),
            (wire.ID, 3, found(1, 2), Outcome.WRONG),
            (wire.ID, 0, reply({"ok": 1.0}), Outcome.OK),
            (wire.ID, 0, REFUSED, Outcome.ERROR),
            # Other types of number, as other servers write them.
            (wire.ONE_DONE, 1, reply({"n": Int64(1), "ok": 1}), Outcome.OK),
            (wire.ID, 2, found(Int64(1), 2.0), Outcome.OK),
            (wire.ID, 1, b"HTTP/1.1 400 Bad Request\r\n\r\n", Outcome.WRONG),
        ],
    )
    def test_outcomes(self, mark: bytes, count: int, answer: bytes, expected: Outcome) -> None:
        """Success with the right count is OK, whatever type its numbers have; else it is wrong, or an error."""
        assert expected == wire.checker(count, mark)([answer])


class TestVerify:
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (found(5), "1 came back: [{'_id': 5}]"),
            (reply({"n": 2, "nModified": 1, "ok": 1.0}), "1 came back: []"),
            (REFUSED, "13 Unauthorized: not allowed"),
            (DUPLICATE, "11000: duplicate"),
            (UNDURABLE, "64: waited"),
            (DONE[:-1] + b"\x01", "the reply cannot be read: no BSON: bad eoo"),
            (b"HTTP/1.1 400", "the reply cannot be read: no OP_MSG with a document: b'HTTP/1.1 400'"),
        ],
    )
    def test_reads_all(self, answer: bytes, expected: str) -> None:
        """What was returned is judged, and an error or an unreadable reply is told."""
        verify = wire.verifier(lambda seen: f"{seen[0]} came back: {list(seen[1])}")
        assert expected == verify([answer])

    def test_checksum_is_no_part_of_the_document(self) -> None:
        """A reply that carries a checksum is read like any other."""
        assert wire.document(reply({"ok": 1.0}, flags=1, after=b"\x00\x01\x02\x03")) == {"ok": 1.0}
