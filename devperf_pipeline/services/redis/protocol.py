"""
How does Redis speak: what is sent, when is a reply whole, and what does it say?

RESP, version 2: simple strings, errors, integers, bulk strings, arrays.
"""

from devperf_pipeline.model import Outcome

Value = int | bytes | None | list["Value"]
"""What a reply says. Errors are `ErrorReply`, a kind of bytes."""

LINES = b"+-:"
BULK = ord("$")
ARRAY = ord("*")


class ErrorReply(bytes):
    """The text of an error reply, without its dash."""

    __slots__ = ()


def encode(*words: bytes) -> bytes:
    """One command, as the server reads it."""
    return b"".join((b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)))


def complete(buffer: bytes) -> bool:
    """Whether the buffer holds one whole reply."""
    if not buffer.endswith(b"\r\n"):
        return False
    if buffer[0] in LINES:
        return True
    # What is no RESP at all never becomes whole; where it only begins like it, nothing more makes it clearer.
    try:
        return buffer[0] in (BULK, ARRAY) and _end(buffer, 0) >= 0
    except ValueError:
        return True


def _end(buffer: bytes, at: int) -> int:
    """Where the reply that begins at `at` ends; -1 if that is not known yet."""
    line_end = buffer.find(b"\r\n", at)
    if line_end < 0:
        return -1
    after = line_end + 2
    kind = buffer[at]
    size = -1 if kind in LINES else int(buffer[at + 1 : line_end])
    if kind == ARRAY:
        for _ in range(size):
            after = _end(buffer, after) if after < len(buffer) else -1
            if after < 0:
                break
    elif size >= 0:
        after += size + 2
    return after if after <= len(buffer) else -1


def decode(reply: bytes) -> Value:
    """What a whole reply says; raises a `ValueError` where the bytes are not exactly one."""
    if not complete(reply) or _end(reply, 0) != len(reply):
        raise ValueError(f"not one whole RESP reply: {reply[:60]!r}")
    return _decode(reply, 0)[0]


def decode_or_raw(reply: bytes) -> Value:
    """What a reply says, or the reply itself where it is not RESP: to be shown, never to be right."""
    try:
        return decode(reply)
    except ValueError:
        return [reply]


def _decode(reply: bytes, at: int) -> tuple[Value, int]:
    line_end = reply.index(b"\r\n", at)
    kind, line, after = reply[at : at + 1], reply[at + 1 : line_end], line_end + 2
    if kind == b"+":
        return line, after
    if kind == b"-":
        return ErrorReply(line), after
    if kind == b":":
        return int(line), after
    size = int(line)
    if size < 0:
        return None, after
    if kind == b"$":
        return reply[after : after + size], after + size + 2
    values: list[Value] = []
    for _ in range(size):
        value, after = _decode(reply, after)
        values.append(value)
    return values, after


def outcome_of_other(reply: bytes) -> Outcome:
    """How a call ended whose reply is not the expected one."""
    if reply.startswith((b"-MOVED ", b"-ASK ")):
        return Outcome.REDIRECTED
    return Outcome.ERROR if reply.startswith(b"-") else Outcome.WRONG
