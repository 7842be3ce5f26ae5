"""
How are MySQL's packets encoded, how is a reply known to be whole, and is it right?

Protocol 4.1 without CLIENT_DEPRECATE_EOF (the driver does not ask for it).
A packet is three bytes of length (little-endian), a sequence number, a payload; every command starts at number 0.
A reply is checked after each call by a few bytes, and read in full where it is kept.
"""

import struct
from collections.abc import Callable, Iterator, Sequence

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.database.workload import Arguments, Statement, what_failed

QUERY, PING, PREPARE, EXECUTE = 0x03, 0x0E, 0x16, 0x17
LONG, VAR_STRING = 0x03, 0xFD
"""The two types that our arguments and columns have."""

OK, EOF, ERROR = 0x00, 0xFE, 0xFF
"""First byte of a payload."""

LONGEST_ERROR = 600
"""An error packet is shorter: MySQL's messages end at 512 bytes."""


def command(kind: int, body: bytes = b"") -> bytes:
    """A command packet: PING, QUERY with its text, PREPARE with its text."""
    return (len(body) + 1).to_bytes(3, "little") + b"\x00" + bytes((kind,)) + body


def execute(statement: int, arguments: Arguments) -> bytes:
    """
    COM_STMT_EXECUTE: run the prepared statement of that number.

    The types of the arguments go along with each call, so that a call does not depend on the one before.
    """
    body = struct.pack("<IBI", statement, 0, 1)
    if not arguments:
        return command(EXECUTE, body)
    types, values = b"", b""
    for argument in arguments:
        if isinstance(argument, int):
            types += bytes((LONG, 0))
            values += struct.pack("<i", argument)
        else:
            text = argument.encode()
            if len(text) > 250:
                raise ValueError(f"a text of {len(text)} bytes needs a longer length than is encoded here")
            types += bytes((VAR_STRING, 0))
            values += bytes((len(text),)) + text
    return command(EXECUTE, body + bytes((len(arguments) + 7) // 8) + b"\x01" + types + values)


def complete(buffer: bytes) -> bool:
    """
    Whether the reply to a PING, QUERY or EXECUTE is whole: OK, error, or a result up to its last packet.

    A result holds two EOF packets, one after the columns and one after the rows; their sequence numbers tell
    them apart (the first is the number of columns + 2), unless a result has 255 rows or 255 + n · 256: none of ours has.
    None of our values holds a byte of 0xFE, so nothing inside of a reply looks like its end.
    """
    if len(buffer) < 9:
        return False
    if buffer[4] in {OK, ERROR}:
        return len(buffer) == 4 + (buffer[0] | buffer[1] << 8 | buffer[2] << 16)
    if buffer[-5] == EOF and buffer[-9:-6] == b"\x05\x00\x00":
        return buffer[-6] != buffer[4] + 2
    return _ends_with_error(buffer)


def _ends_with_error(buffer: bytes) -> bool:
    """Whether the rows were broken off by an error: its mark, then a # after the code, then all of its length."""
    at = buffer.rfind(b"\xff", -LONGEST_ERROR)
    return (
        at > 4
        and buffer[at + 3 : at + 4] == b"#"
        and int.from_bytes(buffer[at - 4 : at - 1], "little") == len(buffer) - at
    )


def packets(reply: bytes) -> Iterator[bytes]:
    """The payloads of a whole reply; raises a `ValueError` where it is not made of whole packets."""
    at = 0
    while at < len(reply):
        end = at + 4 + int.from_bytes(reply[at : at + 3], "little")
        if end > len(reply) or len(reply) < at + 4:
            raise ValueError(f"a packet of {end - at} bytes with {len(reply) - at} left")
        yield reply[at + 4 : end]
        at = end


def error_of(reply: bytes) -> str | None:
    """The error that a reply is or ends with, as "1146 Table … doesn't exist", or None."""
    last = b""
    for payload in packets(reply):
        last = payload
    if last[:1] != b"\xff":
        return None
    return f"{int.from_bytes(last[1:3], 'little')} {last[9:].decode(errors='replace')}"


def affected(reply: bytes) -> int | None:
    """How many rows an OK reply says were changed; None if it is no OK, or says 251 or more."""
    return reply[5] if len(reply) > 5 and reply[4] == OK and reply[5] < 0xFB else None


def prepared(reply: bytes) -> tuple[int, bool]:
    """
    The number that PREPARE gave to a statement, and whether its reply is whole.

    Columns and parameters follow as packets, each group closed by EOF.

    Raises:
        ValueError: the reply is not that of a PREPARE.

    """
    if len(reply) < 16:
        return 0, False
    if reply[4] != OK:
        raise ValueError(f"not the reply of a PREPARE: {reply[:16]!r}")
    number, columns, parameters = struct.unpack("<IHH", reply[5:13])
    expected = 1 + sum(count + 1 for count in (columns, parameters) if count)
    try:
        return number, len(list(packets(reply))) == expected
    except ValueError:
        return number, False


def rows_of(reply: bytes) -> list[tuple[int | str, ...]]:
    """All rows of a binary result whose columns are integers of four bytes or texts."""
    first, *rest = packets(reply)
    if first[0] in {OK, ERROR}:
        return []
    count = first[0]
    integers = [_type_of(definition) == LONG for definition in rest[:count]]
    return [_row(payload, integers) for payload in rest[count + 1 : -1]]


def _type_of(definition: bytes) -> int:
    at = 0
    for _ in range(6):  # catalogue, schema, table, its name, column, its name
        at += 1 + definition[at]
    return definition[at + 7]  # after a length, the character set and the width


def _row(payload: bytes, integers: list[bool]) -> tuple[int | str, ...]:
    at = 1 + (len(integers) + 9) // 8
    values: list[int | str] = []
    for integer in integers:
        if integer:
            values.append(int.from_bytes(payload[at : at + 4], "little", signed=True))
            at += 4
        else:
            end = at + 1 + payload[at]
            values.append(payload[at + 1 : end].decode())
            at = end
    if at != len(payload) or payload[0] != OK:
        raise ValueError(f"a row of {len(payload)} bytes that does not hold {len(integers)} columns")
    return tuple(values)


def checker(statements: Sequence[Statement | None]) -> Callable[[list[bytes]], int]:
    """A check of a call's replies: rows changed, or a whole result with rows; None is BEGIN, COMMIT or PING."""
    # One packet of column count, the columns, EOF, the rows, EOF: the number of the last one counts the rows.
    expected = [(each.row is not None, each.count) if each else (False, 0) for each in statements]

    def check(replies: list[bytes]) -> int:
        for reply, (rows, count) in zip(replies, expected, strict=True):
            if rows:
                if reply[-5] != EOF or reply[4] in {OK, ERROR} or reply[-6] != (reply[4] + count + 3) % 256:
                    return what_failed(replies, error_of)
            elif affected(reply) != count:
                return what_failed(replies, error_of)
        return Outcome.OK

    return check


def verifier(statements: Sequence[Statement | None]) -> Callable[[list[bytes]], str | None]:
    """A full reading of a call's replies: no error, rows changed as expected, every row as it was seeded."""

    def verify(replies: list[bytes]) -> str | None:
        try:
            for statement, reply in zip(statements, replies, strict=True):
                if (problem := error_of(reply)) is not None:
                    return problem
                if statement and statement.row:
                    problem = statement.wrong(rows_of(reply))
                elif affected(reply) != (statement.count if statement else 0):
                    problem = (
                        f"{affected(reply)} rows changed instead of {statement.count if statement else 0}"
                    )
                if problem is not None:
                    return problem
        except (ValueError, IndexError) as error:
            return f"the reply cannot be read: {error}"
        return None

    return verify
