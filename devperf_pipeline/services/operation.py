"""
What does a service module give, so that its operations can be measured?

A `Session` is what one run does at one service: it asks for its facts, creates our own objects, names its
operations, and removes everything at the end.
An `Operation` is one thing the service can be asked to do.
A `Wire` is how the engine asks for it: bytes that were encoded before the clock started.
A `Driver` is how an application would ask for it.
`measure/` knows nothing else of any service.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from socket import socket
from typing import Any, NamedTuple, Protocol

from devperf_pipeline.model import Facts, Outcome, OwnOperation, RouteAnswer, Service

OUR_NAME = "devperf"
"""Every object we create in a service carries this name; nothing else is touched."""


def own_name(service: Service) -> str:
    """
    What is ours there is called: "devperf"; "devperf_redis_sessions" of a service that is not called by its kind alone,
    since two of a kind may be on one server.
    """
    return OUR_NAME if service.name == service.kind else f"{OUR_NAME}_{service.name}"


DEADLINE_S = 3.0
"""How long a connection may take to be made, and a set-up statement to be answered."""


class Step(NamedTuple):
    """
    One exchange of a call: what is sent, on which socket, and how a whole reply is told.

    `complete` sees everything received since the send; it must be cheap and true only of a whole reply.
    """

    data: bytes
    complete: Callable[[bytes], bool]
    socket: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """
    One user's prepared calls on the sockets that the driver has opened and authenticated.

    A call is one `Step`, or several that are timed together (a transaction, a redirect).
    `check` is called after the clock stopped, on every call, with one reply for each step (`list[bytes]`),
    and returns an `Outcome`; it looks at a few bytes.
    `verify` looks at whole replies (first, last and sampled ones): None, or what is wrong with them.
    `before` is called before every call of a single user, outside the clock: it puts back what the last one consumed.
    """

    sockets: Sequence[socket]
    calls: Sequence[tuple[Step, ...]]
    check: Callable[[list[bytes]], int]
    verify: Callable[[list[bytes]], str | None]
    before: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """
    One user's calls through the driver, as an application makes them.

    `call` gets the number of the call (0, 1, …) and returns what the driver returned.
    `check`, `verify` and `before` are as in `Wire`. `failure` turns an exception of the driver into an `Outcome`;
    exceptions that are not in `exceptions` are ours and pass through.
    `size` is how many calls are prepared (None: no end).
    """

    call: Callable[[int], Any]
    check: Callable[[Any], int]
    verify: Callable[[Any], str | None]
    exceptions: tuple[type[Exception], ...]
    failure: Callable[[Exception], int]
    size: int | None = None
    before: Callable[[], None] | None = None

    @classmethod
    def judged(
        cls,
        call: Callable[[int], Any],
        wrong: Callable[[Any], str | None],
        size: int | None = None,
        *,
        exceptions: tuple[type[Exception], ...],
        failure: Callable[[Exception], int],
    ) -> "Driver":
        """One whose answers are cheap to read in full: `wrong` judges every one of them."""
        return cls(
            call=call,
            check=lambda answer: Outcome.OK if wrong(answer) is None else Outcome.WRONG,
            verify=wrong,
            exceptions=exceptions,
            failure=failure,
            size=size,
        )


class Connection(Protocol):
    """What `Session.connect` returns: one user's connection, made by the driver. Only its session looks inside."""

    def close(self) -> None:
        """End it; never raises."""
        ...


class Pace:
    """
    How a rate limit lets us ask: at most `calls` in any `seconds`, of all operations that share it.

    Every call is noted, also those that nothing is measured of.
    """

    def __init__(self, calls: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.calls, self.seconds = calls, seconds
        self._clock = clock
        self._made = deque[float](maxlen=calls)

    def note(self, calls: int = 1) -> None:
        """So many calls were just made."""
        self._made.extend([self._clock()] * min(calls, self.calls))

    def wait_s(self, calls: int) -> float:
        """How long to wait until so many more may be made: 0 if they may be now."""
        over = len(self._made) + min(calls, self.calls) - self.calls
        return max(0.0, self._made[over - 1] + self.seconds - self._clock()) if over > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """
    One thing a service can be asked to do.

    `name` is part of the benchmark's id and never changes its meaning ("get-hit");
    `title` is what the report and the published tables call it ("GET (hit)").
    `users` are the user counts it is measured with by the engine, beside one.
    `wire(connection, user, size)` and `driver(connection, user, size)` prepare one user's calls. `user` counts from 0.
    Calls are cycled unless `finite`: then exactly `size` calls are prepared (a DELETE needs a row each time),
    and the round ends when they are used up.
    `reset(users, size)` is called before each round, untimed: it puts our data in the state that every round
    starts from, and for `finite` operations makes what `users` times `size` calls will consume.
    `largest` bounds `size`.
    `repeatable` operations change nothing and need nothing of ours: before anything is planned they are timed, also in
    a dry run. What cannot be asked there takes as long as these, so many `round_trips`, or `took_s` where it is known to
    take longer; `reset_trips` says how many `reset` makes.
    `sustained` operations are load tested, too: see `measure/load_tests.py`. Their calls are cycled.
    `held` ones can be kept in flight: the service begins to work on a call before its last byte came.
    `pace` is set where a rate limit allows few calls: see `measure/pacing.py`.
    `connect` makes a connection of one user that others do not use: of those that have the same one each user has one.
    `plan` is how the service says that it answers, where it explains that; nothing that was asked stands in it.
    """

    name: str
    title: str
    users: tuple[int, ...] = ()
    wire: Callable[[Any, int, int], Wire] | None = None
    driver: Callable[[Any, int, int], Driver] | None = None
    reset: Callable[[int, int], None] | None = None
    finite: bool = False
    largest: int = 100_000
    repeatable: bool = False
    round_trips: int = 1
    took_s: float = 0.0
    reset_trips: int = 0
    sustained: bool = False
    held: bool = False
    pace: Pace | None = None
    connect: "Callable[[], Connection] | None" = None
    plan: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAnswer:
    """What an operation of one's own was answered once: in lines for people, how many rows, how long it took."""

    lines: Sequence[str]
    took_ns: int
    rows: int | None = None


FLOOR = "floor"


def floor(title: str, wire: Callable[[Any], Wire], driver: Callable[[Any], Driver]) -> Operation:
    """The operation that asks for nothing, the same of every user: what is left is the instrument and the way there."""
    return Operation(
        name=FLOOR,
        title=title,
        wire=lambda connection, _user, _size: wire(connection),
        driver=lambda connection, _user, _size: driver(connection),
        repeatable=True,
    )


class Session(ABC):
    """
    What one run does at one service.

    Made by `open_session(service)` of the service's module, which connects once and raises a `ServiceError`
    that names service, address, what was expected, what was found and what to do.
    Every session gives what is abstract here; the rest has a default, which says that there is none.
    """

    exceptions: tuple[type[Exception], ...] = ()
    """What the driver raises: where it escapes, it costs this service's rows and no other's."""

    def __init__(self) -> None:
        self.unmeasurable: dict[str, str] = {}
        """By title, published rows that have no operation here, and why. Known after `prepare`."""
        self.answers: list[RouteAnswer] = []
        """What each route of an API answered when it was first asked. Known after `prepare`."""

    @abstractmethod
    def facts(self) -> Facts:
        """What the running service says of itself."""

    def preflight(self) -> Sequence[str]:
        """
        What would disturb a measurement: few connections left, keys that may be evicted, a missing privilege, …

        One sentence each, with what was found. Found by asking: nothing is created. Valid without `prepare`.

        Raises:
            ServiceError: the service does not answer.

        """
        return ()

    @abstractmethod
    def objects(self) -> Sequence[str]:
        """
        Everything that `prepare` and the operations make in the service, by kind and name: "schema devperf_postgresql".

        `*` stands for what is numbered. Valid before `prepare`; nothing is made.
        """

    def assume(self) -> None:  # noqa: B027 - most sessions need nothing for that
        """Take it that `prepare` succeeded, without making anything, so that `operations` can be told."""

    @abstractmethod
    def prepare(self) -> None:
        """
        Remove what an earlier run left, create our own objects, seed them.

        Raises:
            ServiceRefused: an object of our name exists that we did not make, or a privilege is missing.

        """

    @abstractmethod
    def operations(self) -> Sequence[Operation]:
        """Everything measured here, the floor first. Valid after `prepare`."""

    @abstractmethod
    def connect(self) -> Connection:
        """A new connection for one user, authenticated and verified."""

    @abstractmethod
    def renew(self, service: Service) -> None:
        """
        Go on with other credentials of the same service; our objects stay.

        Raises:
            ServiceError: it cannot be entered with them either.

        """

    @abstractmethod
    def clean(self) -> None:
        """Remove every object of ours. Safe to call twice, and without `prepare`."""

    @abstractmethod
    def close(self) -> None:
        """End the session; never raises."""

    def own_operation(self, own: OwnOperation) -> Operation:
        """
        An operation that the stack file describes, asked so far that it can be measured and its answers be judged.

        Nothing is changed by asking. Kinds that `stack/own_operations.py` has a table for give it. Valid without
        `prepare`.

        Raises:
            ServiceError: it cannot be asked, as the service says itself.

        """
        raise NotImplementedError(f"{type(self).__name__} is asked nothing of one's own")

    def first_answer(self, own: OwnOperation) -> FirstAnswer:
        """Ask such an operation once; raises as `own_operation`."""
        raise NotImplementedError(f"{type(self).__name__} is asked nothing of one's own")

    def tool_scripts(self) -> Mapping[str, str]:
        """
        By name of an operation, the same question in the words of the service's tool. Valid after `prepare`.

        For pgbench a script, for sysbench a statement with ? for a key, for redis-benchmark a command, for the tools
        of HTTP a path. Empty where no tool can ask.
        """
        return {}

    def guest(self) -> AbstractContextManager[str]:
        """
        Let in a tool that takes passwords on its command line only (redis-benchmark).

        The name of a user whom any password lets in, who may do what the tool does and nothing else, as long as
        this lasts. What the guest leaves behind is removed.
        """
        raise NotImplementedError(f"{type(self).__name__} lets no guest in")

    def guest_objects(self) -> Sequence[str]:
        """The guest, and what it may make beside what is ours, as `objects` says it. Empty where none is let in."""
        return ()
