"""How does HTTP/1.1 look on the wire: requests as bytes, and when is an answer whole and right?"""

import json
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Outcome

END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding[ \t]*:[^\r\n]*\bchunked[ \t]*\r\n", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nretry-after[ \t]*:", re.IGNORECASE)
CACHE_HIT = re.compile(rb"\r\n(age[ \t]*:|[\w-]*cache[\w-]*[ \t]*:[^\r\n]*hit)", re.IGNORECASE)
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]+)[ \t]*(;[^\r\n]*)?\r\n")
LARGEST_ANSWER_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


NONE: Mapping[str, str] = {}
PASSING: Mapping[str, str] = {"Cache-Control": "no-cache"}
"""What asks a cache to let a request pass."""


def encode(
    method: str, target: str, host: str, body: bytes | None = None, *, headers: Mapping[str, str] = NONE
) -> bytes:
    """A request with a JSON body, or none, on a connection that is kept; `headers` are those beside the usual."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("ascii") + END + (body or b"")


def complete(received: bytes) -> bool:
    """
    Whether a whole answer was received.

    One that will never say where it ends counts as whole when it cannot become clearer; `parse` then refuses it.
    """
    end = received.find(END)
    if end < 0:
        return False
    # The two spellings that servers use are found faster by themselves than by any pattern.
    at = received.find(b"\r\ncontent-length: ", 0, end)
    if at < 0:
        at = received.find(b"\r\nContent-Length: ", 0, end)
    if at < 0:
        return complete_otherwise(received, end)
    try:
        return len(received) >= end + 4 + int(received[at + 18 : received.find(b"\r\n", at + 18)])
    except ValueError:
        return True


def complete_otherwise(received: bytes, end: int) -> bool:
    """`complete` for answers whose head ends at `end` and has no length in a usual spelling."""
    if bytes(received[9:12]) in {b"204", b"304"}:
        return True
    if CHUNKED.search(received, 0, end + 2):
        try:
            return unchunk(received, end + 4) is not None
        except WrongAnswer:
            return True
    found = LENGTH.search(received, 0, end + 2)
    return found is None or len(received) >= end + 4 + int(found[1])


def unchunk(received: bytes, begin: int) -> tuple[bytes, int] | None:
    """
    The chunks from `begin` put together, and where the last one ends; None while they are not all there.

    Raises:
        WrongAnswer: these are no chunks.

    """
    body, at = bytearray(), begin
    while True:
        found = CHUNK_SIZE.match(received, at)
        if found is None:
            if received.find(b"\r\n", at) >= 0 or len(received) - at > 100:
                raise WrongAnswer(f"expected the size of a chunk, found {bytes(received[at : at + 20])!r}")
            return None
        size, at = int(found[1], 16), found.end()
        if size == 0:
            # Trailers may follow; an empty line ends them.
            end = received.find(END, at - 2)
            return None if end < 0 else (bytes(body), end + 4)
        if len(received) < at + size + 2:
            return None
        body += received[at : at + size]
        at += size + 2
        if received[at - 2 : at] != b"\r\n":
            raise WrongAnswer(f"expected the end of a chunk of {size} bytes, found more of it")


def parse(received: bytes) -> Answer:
    """What a whole answer says; raises a `WrongAnswer` where it is no HTTP answer, or not exactly one."""
    head, end, rest = received.partition(END)
    lines = head.split(b"\r\n")
    start = re.fullmatch(rb"HTTP/1\.[01] (\d{3})(?: .*)?", lines[0])
    if not end or start is None:
        raise WrongAnswer(f"expected an HTTP answer, found {received[:40]!r}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise WrongAnswer(f"expected a header line, found {line[:40]!r}")
        headers[name.lower()] = value.strip()
    status = int(start[1])
    if CHUNKED.search(received, 0, len(head) + 2):
        whole = unchunk(received, len(head) + 4)
        if whole is None or whole[1] != len(received):
            raise WrongAnswer("expected one chunked answer, found a part of one, or more than one")
        return Answer(status, headers, whole[0])
    length = headers.get("content-length", "0" if status in {204, 304} else "none")
    if not length.isdecimal() or int(length) != len(rest):
        raise WrongAnswer(f"expected a body of Content-Length ({length[:20]}), found {len(rest)} bytes")
    return Answer(status, headers, rest)


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is, or None."""
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return as_object(decoded) if isinstance(decoded, dict) else None


def as_object(value: Any) -> dict[str, Any]:
    """A decoded value as an object, empty where it is none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def outcome_of(status: int, *, retry_after: bool) -> Outcome:
    """How a call ended, by the status of its answer."""
    match status // 100:
        case 2:
            return Outcome.OK
        case 3:
            return Outcome.REDIRECTED
        case _ if status == 429 or (status == 503 and retry_after):
            return Outcome.LIMITED
        case _:
            return Outcome.ERROR


def check(received: bytes) -> Outcome:
    """How a call ended, by a few bytes of a whole answer."""
    if received[9:10] == b"2" and received[:7] == b"HTTP/1.":
        return Outcome.OK
    if received[:7] != b"HTTP/1." or not received[9:12].isdigit():
        return Outcome.WRONG
    retry_after = RETRY_AFTER.search(received, 0, received.find(END)) is not None
    return outcome_of(int(received[9:12]), retry_after=retry_after)


def cached_by(headers: Mapping[str, str]) -> str | None:
    """The header that says that a cache answered in the place of the service, or None."""
    for name, value in headers.items():
        if name == "age" or ("cache" in name and "hit" in value.lower()):
            return f"{name}: {value}"
    return None


def says_hit(received: bytes) -> bool:
    """`cached_by` of an answer that was not parsed."""
    return CACHE_HIT.search(received, 0, received.find(END)) is not None


def ask(connection: socket.socket, request: bytes, deadline_s: float) -> Answer:
    """
    Make one request and await its answer, `deadline_s` for all of it.

    Raises:
        WrongAnswer: something came that is no HTTP answer.
        OSError: the connection broke, or nothing whole came in time (TimeoutError).

    """
    received: Any = bytearray()
    ends = time.monotonic() + deadline_s
    connection.settimeout(deadline_s)
    connection.sendall(request)
    while not complete(received):
        connection.settimeout(max(0.001, ends - time.monotonic()))
        more = connection.recv(65_536)
        if not more:
            raise ConnectionResetError("the connection was closed before the answer was whole")
        received += more
        if len(received) > LARGEST_ANSWER_BYTES:
            raise WrongAnswer(f"expected an answer below {LARGEST_ANSWER_BYTES} bytes, and more came")
    return parse(bytes(received))
