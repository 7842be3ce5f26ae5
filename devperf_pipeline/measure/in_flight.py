"""
How are many requests kept in flight at services, while their memory is read?

Each user sends all but the last byte of a call, so that the service has begun to work on it and cannot end. When all
was read the last bytes are sent, one after the other, and every call has to be answered right.
"""

import select
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from socket import socket

from devperf_pipeline.errors import ServiceError, ServiceRefused, WrongAnswer
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.steps import InFlightStep, Measurable
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.operation import DEADLINE_S, Connection, Wire
from devperf_pipeline.services.probe import unread

USERS = (0, 50, 100, 150, 200)
"""How many requests are in flight at each step: enough steps for a line that no single one decides."""

WARM_USERS = 25
"""So many are in flight and ended before anything is read: what is made once and kept is no memory per request."""


LONGEST_S = 15.0
"""What the answers of one service may take where a profile has a bound."""

MEMORY = "memory per request"
"""What is read while requests are in flight."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call, all but its last byte sent."""

    connection: Connection
    wire: Wire

    @property
    def socket(self) -> socket:
        return self.wire.sockets[self.wire.calls[0][0].socket]


def plan(one: Measurable, profile: Profile) -> InFlightStep | str | None:
    """What is kept in flight at a service: the first of its operations that can be, if one can, or why it is not."""
    held = next((operation for operation in one.operations if operation.held and operation.wire), None)
    if held is None:
        return None
    step = InFlightStep(
        service=one.service.name,
        operation=held,
        session=one.session,
        users=USERS,
        call_s=one.speed.call_s(held),
    )
    if profile.longest_s and seconds(step) > LONGEST_S:
        return (
            f"to answer {WARM_USERS + USERS[-1]} requests would take {seconds(step):.0f} s, and the profile "
            f"{profile.name!r} has {LONGEST_S:.0f} s for that. A longer profile measures it"
        )
    return step


def seconds(step: InFlightStep) -> float:
    """What the calls of a step take when they end, one after the other."""
    return (WARM_USERS + step.users[-1]) * step.call_s


class Holder:
    """Calls of one operation that are in flight at one service."""

    def __init__(self, step: InFlightStep) -> None:
        self.session = step.session
        self._service = step.service
        self._operation = step.operation
        self._most = step.users[-1]
        self._held: list[Request] = []

    def benchmark(self, users: int) -> str:
        """What readings with so many calls in flight are called."""
        return f"{self._service}/{self._operation.name}/held-{users}"

    def warm_up(self) -> None:
        """Have `WARM_USERS` calls in flight, and end them; raises as `hold` and `end`."""
        if self._operation.reset is not None:
            self._operation.reset(self._most, 1)
        self.hold(WARM_USERS)
        self.end()

    def hold(self, users: int) -> None:
        """Have so many calls in flight; raises as the session does."""
        assert self._operation.wire is not None
        while len(self._held) < users:
            connection = self.session.connect()
            request = Request(connection, self._operation.wire(connection, len(self._held), 1))
            self._held.append(request)
            request.socket.settimeout(DEADLINE_S)
            request.socket.sendall(request.wire.calls[0][0].data[:-1])

    def check(self) -> None:
        """See that every call is still in flight; raises `ServiceRefused` where some ended before they were whole."""
        poll = select.poll()  # select() itself ends at 1,024 descriptors
        for request in self._held:
            poll.register(request.socket, select.POLLIN)
        readable = {fd for fd, _ in poll.poll(0)}
        ended = sum(r.socket.fileno() in readable and unread(r.socket) for r in self._held)
        if ended:
            raise ServiceRefused(
                f"expected {len(self._held)} requests to wait for their last byte, found {ended} answered or closed "
                f"before it came. Raise the service's limit of connections, or its time limit of requests."
            )

    def end(self) -> None:
        """Send every last byte and await the answers; raises `WrongAnswer` where some are not right."""
        of, wrong, said = len(self._held), 0, ""
        while self._held:
            request = self._held.pop()
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
                f"expected {of} requests of {self._operation.title} that were in flight to be answered right, found "
                f"{wrong} that were not, such as: {said}. Look at the service's log."
            )

    def close(self) -> None:
        """End every connection. Safe to call twice."""
        while self._held:
            self._held.pop().connection.close()


def sweep(
    steps: Sequence[InFlightStep],
    *,
    settle: Callable[[], None],
    read: Callable[[int, Mapping[str, str]], None],
    failed: Callable[[str, Exception], None],
) -> None:
    """
    Have more and more calls in flight, at all services at once; each time `settle`, then `read` users and the name of
    the readings by service.

    A call that waits for its last byte uses nothing but memory, and memory is told by service: calls at the others
    change no reading. A service that ends calls early, or answers them wrong, is told to `failed` and has no further
    ones; what was read of it stays.
    """
    holders = {step.service: Holder(step) for step in steps}
    held = dict(holders)

    def each(step: Callable[[Holder], None]) -> None:
        for service, holder in tuple(held.items()):
            try:
                step(holder)
            except (ServiceError, OSError, *holder.session.exceptions) as error:
                del held[service]
                holder.close()
                failed(service, error)

    try:
        each(Holder.warm_up)
        for users in steps[0].users:
            each(lambda holder, users=users: holder.hold(users))
            if held:
                settle()
            each(Holder.check)
            if held:
                read(users, {service: holder.benchmark(users) for service, holder in held.items()})
        each(Holder.end)
    finally:
        for holder in holders.values():
            holder.close()


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
