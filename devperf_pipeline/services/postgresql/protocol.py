"""
How are PostgreSQL's messages encoded, how is a reply known to be whole, and is it right?

Protocol 3.0. A message is a type byte, four bytes of length, a body.
A reply is checked after each call by a few bytes (the tag of CommandComplete), and read in full where it is kept.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.database.workload import Arguments, Statement, what_failed

INT4, TEXT = 23, 25
"""Object ids of the two types that our arguments and columns have."""

IN_TEXT, BINARY = 0, 1

EXECUTE = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00"
SYNC = b"S\x00\x00\x00\x04"
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
EMPTY_QUERY = b"Q\x00\x00\x00\x05\x00"
READY = b"Z\x00\x00\x00\x05"
"""ReadyForQuery but for its last byte, the state of the transaction."""

NOTHING = b"I\x00\x00\x00\x04" + READY + b"I"
"""The whole reply to an empty statement."""


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def parse(name: str, text: str, arguments: Arguments) -> bytes:
    """Parse: give a statement with `%s` placeholders to the server, under `name` ("" is the unnamed one)."""
    types = [INT4 if isinstance(argument, int) else TEXT for argument in arguments]
    for number in range(1, len(types) + 1):
        text = text.replace("%s", f"${number}", 1)
    return parse_own(name, text, types)


def parse_own(name: str, text: str, types: Sequence[int] = ()) -> bytes:
    """Parse: give a statement as it is to the server, which knows the types of its placeholders where none are given."""
    body = name.encode() + b"\x00" + text.encode() + b"\x00"
    return _message(b"P", body + struct.pack(f"!h{len(types)}i", len(types), *types))


def execute(name: str, arguments: Arguments) -> bytes:
    """Bind, Execute and Sync in one: run a parsed statement; arguments and result in binary."""
    values = [struct.pack("!i", each) if isinstance(each, int) else each.encode() for each in arguments]
    return _bind(name, values, BINARY) + EXECUTE + SYNC


def execute_own(name: str, arguments: Sequence[str | None]) -> bytes:
    """Bind and Execute: run a parsed statement; arguments and result in text."""
    return _bind(name, [None if each is None else each.encode() for each in arguments], IN_TEXT) + EXECUTE


def _bind(name: str, values: Sequence[bytes | None], form: int) -> bytes:
    lengths = [(-1 if value is None else len(value), value or b"") for value in values]
    bound = b"".join(struct.pack("!i", length) + value for length, value in lengths)
    bound = struct.pack("!hhh", 1, form, len(values)) + bound + struct.pack("!hh", 1, form)
    return _message(b"B", b"\x00" + name.encode() + b"\x00" + bound)


def complete(buffer: bytes) -> bool:
    """
    Whether the reply is whole: it ends with ReadyForQuery.

    None of our values holds a Z, so nothing inside of a reply looks like its end.
    """
    return buffer[-6:-1] == READY


ENDS = re.compile(
    rb"C\x00\x00\x00.[A-Z ]+(?:\d+ )?(\d+)?\x00Z\x00\x00\x00\x05(?:I|TC\x00\x00\x00\x0bCOMMIT\x00Z\x00\x00\x00\x05I)\Z",
    re.DOTALL,
)
"""How a whole reply to a statement of others ends that did what it should: its tag, with how many rows it was."""

LONGEST_END = 96


def complete_own(buffer: bytes) -> bool:
    """
    Whether the reply to a statement of others is whole: it ends with ReadyForQuery, outside of any transaction.

    Their values may hold anything, so that a piece of a reply may end like a whole one; but in text no value holds a
    zero byte, and so none holds a tag and its end. Any other end is read in full.
    """
    if buffer[-6:] != READY + b"I":
        return False
    return ENDS.search(buffer[-LONGEST_END:]) is not None or _is_whole(buffer)


def _is_whole(buffer: bytes) -> bool:
    try:
        *_, (kind, _) = messages(buffer)
    except ValueError:
        return False
    return kind == b"Z"


def counted(reply: bytes) -> int | None:
    """How many rows a whole reply to a statement of others returned or changed (-1: it does not say), None if it failed."""
    found = ENDS.search(reply[-LONGEST_END:])
    return found and int(found[1] or -1)


def messages(reply: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The messages of a whole reply, type and body; raises a `ValueError` where it is not made of whole ones."""
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


def tags_of(statements: Sequence[Statement | None]) -> list[bytes]:
    """What CommandComplete says when each statement did what it should; None at the ends is BEGIN and COMMIT."""
    tags: list[bytes] = []
    for statement in statements:
        if statement is None:
            tags.append(b"COMMIT\x00" if tags else b"BEGIN\x00")
        else:
            zero = " 0" if statement.verb == "INSERT" else ""
            tags.append(f"{statement.verb}{zero} {statement.count}\x00".encode())
    return tags


def checker(tags: Sequence[bytes]) -> Callable[[list[bytes]], int]:
    """A check of a call's replies, one for each of `tags`, by a few bytes before their end."""

    def check(replies: list[bytes]) -> int:
        for reply, tag in zip(replies, tags, strict=True):
            if not reply.endswith(tag, 0, -6):
                return what_failed(replies, error_of)
        return Outcome.OK

    return check


def own_checker(right: Callable[[int], bool], contains: bytes) -> Callable[[list[bytes]], int]:
    """A check of the reply to a statement of others: no error, a right number of rows, these bytes somewhere in it."""

    def check(replies: list[bytes]) -> int:
        count = counted(replies[0])
        if count is None:
            return what_failed(replies, error_of)
        return Outcome.OK if right(count) and contains in replies[0] else Outcome.WRONG

    return check


def own_verifier(
    wrong: Callable[[int, bool], str | None], columns: int, contains: bytes
) -> Callable[[list[bytes]], str | None]:
    """A full reading of the reply: besides, it has as many rows as it says, each of so many columns."""

    def verify(replies: list[bytes]) -> str | None:
        try:
            if (problem := error_of(replies[0])) is not None:
                return problem
            widths = [int.from_bytes(body[:2]) for kind, body in messages(replies[0]) if kind == b"D"]
        except ValueError as error:
            return f"the reply cannot be read: {error}"
        count = counted(replies[0])
        if count is None or (columns and count != len(widths)):
            return f"{len(widths)} rows where the server says {count}"
        if set(widths) - {columns}:
            return f"a row of {max(set(widths) - {columns})} columns instead of {columns}"
        return wrong(count, contains in replies[0])

    return verify


def check_nothing(replies: list[bytes]) -> int:
    """Check the reply to an empty statement."""
    return Outcome.OK if replies == [NOTHING] else what_failed(replies, error_of)


def verifier(statements: Sequence[Statement | None]) -> Callable[[list[bytes]], str | None]:
    """A full reading of a call's replies: no error, the right tag, every row as it was seeded."""
    tags = tags_of(statements)

    def verify(replies: list[bytes]) -> str | None:
        try:
            for statement, tag, reply in zip(statements, tags, replies, strict=True):
                if (problem := error_of(reply)) is not None:
                    return problem
                said = [body for kind, body in messages(reply) if kind == b"C"]
                if said != [tag]:
                    return f"the server said {said!r} instead of {tag!r}"
                rows = rows_of(reply, statement.row(1) if statement and statement.row else ())
                if statement and (problem := statement.wrong(rows)) is not None:
                    return problem
        except ValueError as error:
            return f"the reply cannot be read: {error}"
        return None

    return verify


def verify_nothing(replies: list[bytes]) -> str | None:
    """Read the reply to an empty statement."""
    return None if replies == [NOTHING] else f"the empty statement was answered {replies!r}"
