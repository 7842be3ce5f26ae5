"""
How are many requests held under way at a service, while its memory is read?

Each user sends all but the last byte of a call, so that the service has begun to work on it and cannot end. When all
was read the last bytes are sent, one after the other, and every call has to be answered right.
"""

import select
from collections.abc import Callable
from dataclasses import dataclass
from socket import socket

from devperf_pipeline.errors import ServiceRefused, WrongAnswer
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.operation import DEADLINE_S, Connection, Operation, Session, Wire

USERS = (0, 50, 100, 150, 200)
"""How many requests are under way at each step: enough steps for a line that no single one decides."""

WARM_USERS = 25
"""So many are held and ended before anything is read: what is made once and kept is no memory per request."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    One call, all but its last byte sent.
    """

    connection: Connection
    wire: Wire

    @property
    def socket(self) -> socket:
        return self.wire.sockets[self.wire.calls[0][0].socket]


def sweep(
    service: str,
    session: Session,
    operation: Operation,
    *,
    settle: Callable[[], None],
    read: Callable[[int, str], None],
) -> None:
    """
    Hold more and more calls of an operation; at each step `settle`, then `read(users, benchmark)`.

    Raises:
        ServiceRefused: the service ended calls before they were whole; what was read before stays.
        WrongAnswer: calls that were held were not answered right in the end.
        ServiceError, OSError: as the session's own.

    """
    if operation.reset is not None:
        operation.reset(USERS[-1], 1)
    held: list[Request] = []
    try:
        _more(held, session, operation, WARM_USERS)
        _end(held, operation)
        for users in USERS:
            _more(held, session, operation, users)
            settle()
            ended = _ended(held)
            if ended:
                raise ServiceRefused(
                    f"expected {users} requests to wait for their last byte, found {ended} answered or closed before "
                    f"it came. Raise the service's limit of connections, or its time limit of requests."
                )
            read(users, f"{service}/{operation.name}/held-{users}")
        _end(held, operation)
    finally:
        for request in held:
            request.connection.close()


def _ended(held: list[Request]) -> int:
    """
    On how many of them something came, or the end.
    """
    poll = select.poll()  # select() itself ends at 1,024 descriptors
    for request in held:
        poll.register(request.socket, select.POLLIN)
    return len(poll.poll(0))


def _more(held: list[Request], session: Session, operation: Operation, users: int) -> None:
    """
    Hold so many calls in all.
    """
    assert operation.wire is not None
    while len(held) < users:
        connection = session.connect()
        request = Request(connection, operation.wire(connection, len(held), 1))
        held.append(request)
        request.socket.settimeout(DEADLINE_S)
        request.socket.sendall(request.wire.calls[0][0].data[:-1])


def _end(held: list[Request], operation: Operation) -> None:
    """
    Send every last byte and await the answer.
    """
    of, wrong, said = len(held), 0, ""
    while held:
        request = held.pop()
        try:
            reply = _answer(request)
            if request.wire.check([reply]) != Outcome.OK:
                wrong, said = wrong + 1, str(request.wire.verify([reply]))
        except OSError as error:
            wrong, said = wrong + 1, repr(error)
        finally:
            request.connection.close()
    if wrong:
        raise WrongAnswer(
            f"expected {of} requests of {operation.title} that were held to be answered right, found {wrong} that were "
            f"not, such as: {said}. Look at the service's log."
        )


def _answer(request: Request) -> bytes:
    step = request.wire.calls[0][0]
    request.socket.sendall(step.data[-1:])
    received = b""
    while not step.complete(received):
        more = request.socket.recv(65_536)
        if not more:
            raise ConnectionResetError("the connection was closed before the answer was whole")
        received += more
    return received
