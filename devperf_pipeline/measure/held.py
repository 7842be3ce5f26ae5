"""
How are many requests held under way at services, while their memory is read?

Each user sends all but the last byte of a call, so that the service has begun to work on it and cannot end. When all
was read the last bytes are sent, one after the other, and every call has to be answered right.
"""

import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from socket import socket

from devperf_pipeline.errors import ServiceError, ServiceRefused, WrongAnswer
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


class Holding:
    """
    The calls of one operation that are under way at one service.
    """

    def __init__(self, service: str, session: Session, operation: Operation) -> None:
        self.service = service
        self._session = session
        self._operation = operation
        self._held: list[Request] = []
        self.exceptions = (ServiceError, OSError, *session.exceptions)
        """What may go wrong at the service."""

    def begin(self) -> None:
        """
        Hold some and end them: what is made once and kept is no memory per request.

        Raises:
            WrongAnswer: they were not answered right.

        """
        if self._operation.reset is not None:
            self._operation.reset(USERS[-1], 1)
        _more(self._held, self._session, self._operation, WARM_USERS)
        self.end()

    def hold(self, users: int) -> None:
        """
        Hold so many in all.
        """
        _more(self._held, self._session, self._operation, users)

    def check(self) -> None:
        """
        See whether all of them are still under way.

        Raises:
            ServiceRefused: the service ended calls before they were whole.

        """
        if ended := _ended(self._held):
            raise ServiceRefused(
                f"expected {len(self._held)} requests to wait for their last byte, found {ended} answered or closed "
                f"before it came. Raise the service's limit of connections, or its time limit of requests."
            )

    def end(self) -> None:
        """
        Send every last byte and await the answers.

        Raises:
            WrongAnswer: some were not answered right.

        """
        _end(self._held, self._operation)

    def close(self) -> None:
        """
        Drop those that are still under way.
        """
        while self._held:
            self._held.pop().connection.close()


def sweep(
    holdings: Sequence[Holding],
    *,
    settle: Callable[[], None],
    read: Callable[[int, Sequence[str]], None],
    lost: Callable[[str, Exception], None],
) -> None:
    """
    Hold more and more calls at all these services at once; at each step `settle`, then `read(users, services)`.

    A service at which something goes wrong is told to `lost` and left out from then on; what was read of it stays.
    """
    going = list(holdings)

    def each(act: Callable[[Holding], None]) -> None:
        for one in list(going):
            try:
                act(one)
            except one.exceptions as error:
                one.close()
                going.remove(one)
                lost(one.service, error)

    try:
        each(Holding.begin)
        for users in USERS:
            each(partial(Holding.hold, users=users))
            settle()
            each(Holding.check)
            if going:
                read(users, [one.service for one in going])
        each(Holding.end)
    finally:
        for one in holdings:
            one.close()


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
