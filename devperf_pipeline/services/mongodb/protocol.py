"""
How are MongoDB's commands encoded, how is a whole reply told, and was it right?

OP_MSG with one section: sixteen bytes of header (length, number, number of what is answered, 2013), four bytes of
flags, a byte 0, and a BSON document.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import bson
from bson.errors import BSONError

from devperf_pipeline.model import Outcome

OP_MSG = 2013
BODY = 21
"""Where the document of a message begins."""

OK = b"\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"
"""How `ok: 1.0` looks in BSON."""

ID, ONE_DONE, ONE_MODIFIED = (
    b"\x10_id\x00",
    b"\x10n\x00\x01\x00\x00\x00",
    b"\x10nModified\x00\x01\x00\x00\x00",
)
"""How an integer `_id` begins, and how `n: 1` and `nModified: 1` look."""

Document = Mapping[str, Any]

_decode: Callable[[bytes], dict[str, Any]] = getattr(bson, "decode")  # noqa: B009

Answer = tuple[int, Sequence[Document]]
"""How many documents came back or were changed, and those that came back."""


def encode(command: Document, database: str) -> bytes:
    """The message that carries a command to a database."""
    body = bson.encode({**command, "$db": database})
    return struct.pack("<iiiiIB", BODY + len(body), 1, 0, OP_MSG, 0, 0) + body


def complete(buffer: bytes | bytearray) -> bool:
    """Whether a reply is whole: its first four bytes are its length."""
    return len(buffer) > BODY and int.from_bytes(buffer[:4], "little") == len(buffer)


def document(reply: bytes) -> dict[str, Any]:
    """The document of a whole reply; raises a `ValueError` where it holds none."""
    if reply[12:16] != OP_MSG.to_bytes(4, "little") or reply[BODY - 1 : BODY] != b"\x00":
        raise ValueError(f"no OP_MSG with a document: {reply[:24]!r}")
    try:
        # A checksum may follow.
        return _decode(reply[BODY : BODY + int.from_bytes(reply[BODY : BODY + 4], "little")])
    except BSONError as error:
        raise ValueError(f"no BSON: {error}") from error


def error_of(found: Document) -> str | None:
    """The error that a reply tells, as "26 NamespaceNotFound: …", or None."""
    failed = (
        found if found.get("ok") != 1 else (*found.get("writeErrors", ()), found.get("writeConcernError"))[0]
    )
    if failed is None:
        return None
    name = f" {failed['codeName']}" if "codeName" in failed else ""
    return f"{failed.get('code', 'no code')}{name}: {failed.get('errmsg', 'no message')}"


def answer_of(found: Document) -> Answer:
    """What a reply says was returned or changed."""
    if "cursor" in found:
        batch: list[Document] = found["cursor"]["firstBatch"]
        return len(batch), batch
    return int(found.get("nModified", found.get("n", 0))), ()


def checker(count: int, mark: bytes) -> Callable[[list[bytes]], int]:
    """
    A check of a call's reply: it succeeded, and the mark is in it `count` times.

    A glance at the bytes; where a server writes the same otherwise (another type of number), the document is read.
    """

    def check(replies: list[bytes]) -> int:
        reply = replies[0]
        if OK in reply and reply.count(mark) == count and b"writeConcernError" not in reply:
            return Outcome.OK
        try:
            found = document(reply)
        except ValueError:
            return Outcome.WRONG
        if error_of(found) is not None:
            return Outcome.ERROR
        return Outcome.OK if answer_of(found)[0] == count else Outcome.WRONG

    return check


def verifier(wrong: Callable[[Answer], str | None]) -> Callable[[list[bytes]], str | None]:
    """A full reading of a call's reply: no error, and nothing wrong with what came back."""

    def verify(replies: list[bytes]) -> str | None:
        try:
            found = document(replies[0])
            return error_of(found) or wrong(answer_of(found))
        except (ValueError, KeyError, TypeError) as error:
            return f"the reply cannot be read: {error}"

    return verify
