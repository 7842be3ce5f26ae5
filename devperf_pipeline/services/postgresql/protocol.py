"""
How are PostgreSQL's messages encoded, and how is a whole reply told?

Encoding and decoding only, protocol 3.0. A message is a type byte, four bytes of length, a body.
"""

import struct
from collections.abc import Iterator

from devperf_pipeline.services.relational.rows import Arguments

INT4, TEXT = 23, 25
"""Object ids of the two types that our arguments and columns have."""

SYNC = b"S\x00\x00\x00\x04"
EMPTY_QUERY = b"Q\x00\x00\x00\x05\x00"
READY = b"Z\x00\x00\x00\x05"
"""ReadyForQuery but for its last byte, the state of the transaction."""


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def parse(name: str, text: str, arguments: Arguments) -> bytes:
    """Parse: give a statement with `%s` placeholders to the server, under `name` ("" is the unnamed one)."""
    types = [INT4 if isinstance(argument, int) else TEXT for argument in arguments]
    for number in range(1, len(types) + 1):
        text = text.replace("%s", f"${number}", 1)
    body = name.encode() + b"\x00" + text.encode() + b"\x00"
    return _message(b"P", body + struct.pack(f"!h{len(types)}i", len(types), *types))


def execute(name: str, arguments: Arguments) -> bytes:
    """Bind, Execute and Sync in one: run a parsed statement; arguments and result in binary."""
    values: list[bytes] = []
    for argument in arguments:
        value = struct.pack("!i", argument) if isinstance(argument, int) else argument.encode()
        values.append(struct.pack("!i", len(value)) + value)
    bound = struct.pack("!hhh", 1, 1, len(values)) + b"".join(values) + b"\x00\x01\x00\x01"
    bind = _message(b"B", b"\x00" + name.encode() + b"\x00" + bound)
    return bind + b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00" + SYNC


def complete(buffer: bytes) -> bool:
    """
    Whether the reply is whole: it ends with ReadyForQuery.

    None of our values holds a Z, so nothing inside of a reply looks like its end.
    """
    return buffer[-6:-1] == READY


def messages(reply: bytes) -> Iterator[tuple[bytes, bytes]]:
    """
    The messages of a whole reply: type and body.

    Raises:
        ValueError: the reply is not made of whole messages.

    """
    at = 0
    while at < len(reply):
        if len(reply) < at + 5:
            raise ValueError(f"a message cut off after {len(reply) - at} bytes")
        end = at + 1 + int.from_bytes(reply[at + 1 : at + 5])
        if not at + 5 <= end <= len(reply):
            raise ValueError(f"a message of {end - at} bytes with {len(reply) - at} left")
        yield reply[at : at + 1], reply[at + 5 : end]
        at = end


def error_of(reply: bytes) -> str | None:
    """The ErrorResponse in a reply as "42P01 relation … does not exist", or None."""
    for kind, body in messages(reply):
        if kind == b"E":
            fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\x00") if part}
            return f"{fields.get(b'C', '?????')} {fields.get(b'M', 'no message')}"
    return None


def rows_of(reply: bytes, row: tuple[object, ...]) -> list[tuple[int | str, ...]]:
    """All data rows of a binary reply; `row` is an example that says which columns are integers."""
    integers = [isinstance(value, int) for value in row]
    rows: list[tuple[int | str, ...]] = []
    for kind, body in messages(reply):
        if kind != b"D":
            continue
        at, values = 2, list[int | str]()
        for integer in integers:
            length = int.from_bytes(body[at : at + 4])
            value = body[at + 4 : at + 4 + length]
            values.append(int.from_bytes(value, signed=True) if integer else value.decode())
            at += 4 + length
        if at != len(body) or int.from_bytes(body[:2]) != len(integers):
            raise ValueError(f"a row of {len(body)} bytes that does not hold {len(integers)} columns")
        rows.append(tuple(values))
    return rows
