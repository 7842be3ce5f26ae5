"""
What answers at an address, before a driver is trusted with it?

Drivers wait long, retry, and name the wrong cause when something else listens. One short exchange of our own says in
time whether anything answers and whether it speaks the right protocol.
"""

import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from devperf_pipeline.errors import ServiceError, ServiceRefused, ServiceUnreachable
from devperf_pipeline.model import Address, Service
from devperf_pipeline.services.operation import DEADLINE_S
from devperf_pipeline.stack.tls import context, refusal, speaks_plainly

SHOWN_BYTES = 60
"""How much of a foreign answer a message repeats."""

LARGEST_ANSWER_BYTES = 65_536


def opened(address: Address, timeout_s: float = DEADLINE_S) -> socket.socket:
    """A connection to an address, encrypted where it says so; raises an `OSError`, of TLS an `ssl.SSLError`."""
    if address.is_unix:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(timeout_s)
        try:
            plain.connect(address.host)
        except OSError:
            plain.close()
            raise
        return plain
    plain = socket.create_connection((address.host, address.port), timeout=timeout_s)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if address.tls is None:
        return plain
    try:
        return context(address.tls).wrap_socket(plain, server_hostname=address.host)
    except (OSError, ServiceError):
        plain.close()
        raise


def unread(connection: socket.socket) -> bool:
    """Whether something waits to be read, or the other side has ended; what is TLS' own is taken in."""
    if not isinstance(connection, ssl.SSLSocket):
        return bool(select.select([connection], [], [], 0)[0])
    timeout_s = connection.gettimeout()
    connection.settimeout(0)
    try:
        connection.recv(1)
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(timeout_s)
    return True


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
        ServiceRefused: of TLS, one of the two speaks it and the other does not, or a certificate is refused.

    """
    name, broken = service.name, None
    try:
        received = _exchanged(address, send, enough, deadline_s)
    except ConnectionRefusedError as error:
        raise _none(service, address, error) from error
    except OSError as error:
        received, broken = b"", error
    if address.tls and isinstance(broken, ConnectionError | ssl.SSLEOFError):
        # A refusal that crossed what we sent is lost: it is heard by whoever sends nothing.
        try:
            _exchanged(address, b"", enough, deadline_s=1.0)
        except OSError as error:
            broken = error
    if broken is not None and (refused := refusal(f"{name} at {address}", address, broken)):
        raise refused from broken
    if address.tls and not received:
        # Some that wait for other bytes end the connection, or say nothing, where TLS begins.
        with suppress(OSError):
            if _exchanged(replace(address, tls=None), send, enough, deadline_s=1.0):
                raise ServiceRefused(f"{name} at {address}: {speaks_plainly(address.tls)}")
    if not address.tls and TLS_ONLY.match(received) and speaks_tls(address):
        raise tls_only(service, address)
    if isinstance(broken, TimeoutError):
        raise ServiceUnreachable(
            f"{name}: {address} accepts connections and does not answer within {deadline_s:g} s. "
            "Look at the server, or correct the address in the stack file."
        ) from broken
    if broken is not None and not isinstance(broken, ConnectionError | ssl.SSLError):
        raise _none(service, address, broken) from broken
    if not received:
        raise ServiceUnreachable(
            f"{name}: {address} closes the connection without an answer. "
            "Look at the server's log, or correct the address in the stack file."
        ) from broken
    return received


TLS_ONLY = re.compile(rb"\Z|\x15\x03|HTTP/1\.[01] 400\b")
"""How an answer to plain bytes begins of who may speak TLS alone: with nothing, an alert, or a refusal."""


def tls_only(service: Service, address: Address) -> ServiceRefused:
    """What is said of a server that lets nobody in who does not encrypt."""
    return ServiceRefused(
        f"{service.name} at {address}: expected a server without TLS, found one that asks for it. "
        f'Add to [services.{service.name}]: tls = {{ ca = "…" }}, or tls = true where this system trusts its certificate.'
    )


def speaks_tls(address: Address) -> bool:
    """Whether a handshake begins there, whatever certificate is shown or asked for."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    try:
        with opened(replace(address, tls=None), 1.0) as plain, anyone.wrap_socket(plain):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def _none(service: Service, address: Address, error: OSError) -> ServiceUnreachable:
    return ServiceUnreachable(
        f"{service.name}: expected a server at {address}, found none ({error.strerror or error}). "
        "Start it, or correct the address in the stack file."
    )


def _exchanged(address: Address, send: bytes, enough: Callable[[bytes], bool], deadline_s: float) -> bytes:
    """
    What is received in time: until it is `enough`, or the other side ends.

    Raises:
        OSError: nobody listens there, nothing at all was received (TimeoutError), or the connection broke before.

    """
    ends = time.monotonic() + deadline_s
    received, nudged = b"", False
    with opened(address, deadline_s) as connection:
        connection.sendall(send)
        while not enough(received) and len(received) < LARGEST_ANSWER_BYTES:
            left_s = ends - time.monotonic()
            # The deadline is for the whole answer: a byte a second must not prolong it.
            connection.settimeout(max(0.001, left_s if received or nudged else left_s - deadline_s / 2))
            try:
                more = connection.recv(4096)
            except TimeoutError:
                if received:
                    break
                if nudged:
                    raise
                # A server that reads lines, such as a web server, waits for the end of ours.
                nudged = True
                connection.sendall(b"\r\n\r\n")
                continue
            except OSError:
                if received:
                    break
                raise
            if not more:
                break
            received += more
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
    plain = replace(service.address, tls=None)
    with suppress(ServiceUnreachable):
        received = probe(
            service, plain, send=request, enough=lambda so_far: b"\r\n" in so_far, deadline_s=1.0
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
