"""
How are MySQL's packets encoded, how is a reply known to be whole, and is it right?

Protocol 4.1 without CLIENT_DEPRECATE_EOF (the driver does not ask for it).
A packet is three bytes of length (little-endian), a sequence number, a payload; every command starts at number 0.
A reply is checked after each call by a few bytes, and read in full where it is kept.
"""

import struct
from collections.abc import Callable, Iterator, Sequence

from devperf_pipeline.model import Outcome, Value
from devperf_pipeline.services.database.workload import Arguments, Statement, what_failed

QUERY, PING, PREPARE, EXECUTE = 0x03, 0x0E, 0x16, 0x17
LONG, VAR_STRING = 0x03, 0xFD
"""The two types that our arguments and columns have."""

DOUBLE, NULL, LONGLONG, UNSIGNED = 0x05, 0x06, 0x08, 0x80
"""Further types that arguments of others have."""

OK, EOF, ERROR = 0x00, 0xFE, 0xFF
"""First byte of a payload."""

SHOWN_BYTES = 60

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


def execute_own(statement: int, arguments: Sequence[Value | bytes]) -> bytes:
    """COM_STMT_EXECUTE with arguments of any type; the server makes of them what it needs."""
    nulls = bytearray((len(arguments) + 7) // 8)
    types, values = b"", b""
    for number, argument in enumerate(arguments):
        kind, flags, value = _typed(argument)
        types += bytes((kind, flags))
        values += value
        nulls[number // 8] |= (argument is None) << number % 8
    sent = bytes(nulls) + b"\x01" + types + values if arguments else b""
    return command(EXECUTE, struct.pack("<IBI", statement, 0, 1) + sent)


def _typed(argument: Value | bytes) -> tuple[int, int, bytes]:
    """Type, flags and bytes of an argument."""
    if argument is None:
        return NULL, 0, b""
    if isinstance(argument, int):
        return LONGLONG, UNSIGNED * (argument >= 2**63), (argument % 2**64).to_bytes(8, "little")
    if isinstance(argument, float):
        return DOUBLE, 0, struct.pack("<d", argument)
    value = argument.encode() if isinstance(argument, str) else argument
    return VAR_STRING, 0, _length(len(value)) + value


def _length(length: int) -> bytes:
    """A length as it stands before text."""
    return bytes((length,)) if length < 0xFB else b"\xfd" + length.to_bytes(3, "little")


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


class Ends:
    """
    How whole replies to a statement of others end.

    Their values may hold anything, so each end is read in full when it comes for the first time; a piece of a reply
    that ends in the same nine bytes would have to be cut off right there.
    """

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def complete(self, buffer: bytes) -> bool:
        """Whether the reply is whole."""
        if len(buffer) < 9:
            return False
        if buffer[4] in {OK, ERROR}:
            return len(buffer) == 4 + int.from_bytes(buffer[:3], "little")
        end = bytes(buffer[-4:])
        if buffer[-5] == EOF and buffer[-9:-6] == b"\x05\x00\x00":
            # After 255 rows, and after 256 more, the last packet has the number of the one after the columns.
            if end in self._known and buffer[-6] != (buffer[4] + 2) % 256:
                return True
            if rows_in(buffer) is not None:
                self._known.add(end)
                return True
        return _ends_with_error(buffer) and error_of(buffer) is not None


def rows_in(reply: bytes) -> int | None:
    """How many rows a result has, read in full; None if it is not whole, or ends with an error."""
    at, number, size = 0, 0, len(reply)
    last = at
    while at + 4 <= size:
        last, at = at, at + 4 + (reply[at] | reply[at + 1] << 8 | reply[at + 2] << 16)
        number += 1
    columns = reply[4] if reply[4] < 0xFB else int.from_bytes(reply[5:7], "little")
    # Columns stand between their number and an end, rows between that and another one.
    rows = number - columns - 3
    return rows if rows >= 0 and at == size == last + 9 and reply[last + 4] == EOF else None


def changed(reply: bytes) -> int | None:
    """How many rows an OK reply says were changed; None if it is no OK."""
    if len(reply) < 6 or reply[4] != OK:
        return None
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(reply[5], 0)
    return int.from_bytes(reply[6 : 6 + width], "little") if width else reply[5]


def own_checker(
    right: Callable[[int], bool], least: int, most: int, contains: bytes
) -> Callable[[list[bytes]], int]:
    """
    A check of the reply to a statement of others: a right number of rows, and these bytes somewhere in it.

    Of a result the number is known but for multiples of 256: from the number of its last packet.
    """
    fitting = {rows % 256 for rows in range(max(1, least), min(most, least + 256) + 1)}

    def check(replies: list[bytes]) -> int:
        reply = replies[0]
        if reply[4] in {OK, ERROR}:
            count = changed(reply)
            fits = count is not None and right(count)
        elif reply[-5] != EOF:
            return what_failed(replies, error_of)
        elif reply[-18:-13] == b"\x05\x00\x00" + bytes(((reply[4] + 2) % 256, EOF)):
            fits = right(0)  # the end of the columns is next to the end of the rows
        else:
            fits = (reply[-6] - reply[4] - 3) % 256 in fitting
        if fits and contains in reply:
            return Outcome.OK
        return what_failed(replies, error_of)

    return check


def own_verifier(
    wrong: Callable[[int, bool], str | None], columns: int, contains: bytes
) -> Callable[[list[bytes]], str | None]:
    """A full reading of the reply: no error, so many columns, and as many rows as there may be."""

    def verify(replies: list[bytes]) -> str | None:
        reply = replies[0]
        try:
            if (problem := error_of(reply)) is not None:
                return problem
        except ValueError as error:
            return f"the reply cannot be read: {error}"
        count = rows_in(reply) if columns else changed(reply)
        if count is None or (columns and columns < 0xFB and reply[4] != columns):
            return f"expected {columns} columns, found {reply[:SHOWN_BYTES]!r}"
        return wrong(count, contains in reply)

    return verify


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


def shape(reply: bytes) -> tuple[int, int]:
    """How many columns and placeholders a prepared statement has, as the whole reply of its PREPARE says."""
    columns, placeholders = struct.unpack("<HH", reply[9:13])
    return columns, placeholders


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
