"""
What answers at an address, before a driver is trusted with it?

Drivers wait long, retry, and name the wrong cause when something else listens. One short exchange of our own says in
time whether anything answers and whether it speaks the right protocol.
"""

import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from devperf_pipeline.errors import ServiceError, ServiceUnreachable
from devperf_pipeline.model import Address, Service
from devperf_pipeline.services.operation import DEADLINE_S

SHOWN_BYTES = 60
"""How much of a foreign answer a message repeats."""

LARGEST_ANSWER_BYTES = 65_536


def probe(
    service: Service,
    address: Address,
    *,
    send: bytes,
    enough: Callable[[bytes], bool],
    deadline_s: float = DEADLINE_S,
) -> bytes:
    """
    Connect, send, and return what was received: until it is `enough`, the other side ends, or time is up.

    Raises:
        ServiceUnreachable: nothing listens there, or nothing at all was received in time.

    """
    ends = time.monotonic() + deadline_s
    received, nudged = b"", False
    try:
        with socket.create_connection((address.host, address.port), timeout=deadline_s) as connection:
            connection.sendall(send)
            while not enough(received) and len(received) < LARGEST_ANSWER_BYTES:
                left_s = ends - time.monotonic()
                # The deadline is for the whole answer: a byte a second must not prolong it.
                connection.settimeout(max(0.001, left_s if received or nudged else left_s - deadline_s / 2))
                try:
                    more = connection.recv(4096)
                except TimeoutError:
                    if received or nudged:
                        raise
                    # A server that reads lines, such as a web server, waits for the end of ours.
                    nudged = True
                    connection.sendall(b"\r\n\r\n")
                    continue
                if not more:
                    break
                received += more
    except TimeoutError as error:
        if not received:
            raise ServiceUnreachable(
                f"{service.name}: {address} accepts connections and does not answer within {deadline_s:g} s. "
                "Look at the server, or correct the address in the stack file."
            ) from error
    except OSError as error:
        raise ServiceUnreachable(
            f"{service.name}: expected a server at {address}, found none ({error.strerror or error}). "
            "Start it, or correct the address in the stack file."
        ) from error
    if not received:
        raise ServiceUnreachable(
            f"{service.name}: {address} closes the connection without an answer. "
            "Look at the server's log, or correct the address in the stack file."
        )
    return received


def growing(connection: socket.socket, sent: bytes) -> Iterator[bytes]:
    """
    Send on a connection, outside of any measurement, and yield all that was received, whenever more of it comes.

    Raises:
        OSError: the connection ended, or nothing came for too long, before the caller had enough.

    """
    received = b""
    connection.settimeout(DEADLINE_S)
    connection.sendall(sent)
    while more := connection.recv(65_536):
        received += more
        yield received
    raise ConnectionResetError("the server closed the connection")


@contextmanager
def translated(
    raised: type[Exception], service: Service, explanation: Callable[[Service, Any], ServiceError]
) -> Generator[None, None, None]:
    """Turn what a driver raises into the `ServiceError` that explains it."""
    try:
        yield
    except raised as error:
        raise explanation(service, error) from error


def not_in_time(service: Service, why: str) -> ServiceUnreachable:
    """The error that says that a driver could not connect."""
    return ServiceUnreachable(
        f"{service.where} should answer within {DEADLINE_S:.0f} s, but: {why}. "
        f"Start the server, or correct host and port in the stack file."
    )


def greeting_in_http(service: Service) -> str | None:
    """
    What a client of HTTP is told, as `show` shows it, or None if nothing.

    For protocols in which both sides may wait for each other: most servers that are taken for another speak HTTP.
    """
    request = b"GET / HTTP/1.0\r\n\r\n"
    with suppress(ServiceUnreachable):
        received = probe(
            service, service.address, send=request, enough=lambda so_far: b"\r\n" in so_far, deadline_s=1.0
        )
        return show(received.split(b"\r\n")[0])
    return None


def show(received: bytes) -> str:
    """The beginning of a foreign answer, harmless on a terminal."""
    return ascii(received[:SHOWN_BYTES].decode("latin-1"))


@contextmanager
def hung_up_after(connection: socket.socket, deadline_s: float = DEADLINE_S) -> Generator[None, None, None]:
    """
    Shut the connection down if the block takes longer: a driver that waits on it then sees its end.

    For drivers whose calls know no deadline.

    Raises:
        TimeoutError: in the place of the OSError that the end of the connection became.

    """
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(deadline_s, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except OSError as error:
        if late.is_set():
            raise TimeoutError(f"no answer within {deadline_s:g} s") from error
        raise
    finally:
        timer.cancel()
