"""
How fast does a service answer? Asked before anything is planned, the same in a dry run: nothing is made for it.

What only reads and needs nothing of ours is asked a few times, and once by several users at the same time. All else of
the service is taken to be as fast as that, so many round trips.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.measure.engine import User, drive_many, drive_one, driver_of
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.operation import FLOOR, Connection, Operation, Session

CALLS = 5
"""How often one user asks for each operation."""

LONGEST_S = 0.3
"""After so long no further call of an operation begins."""

AT_ONCE = 8
"""So many users ask at the same time."""

SLOW_S = 0.002
"""Faster calls are not asked at the same time: however they wait for each other, they fit into any round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """
    How long calls of one service take: `usual_s` a round trip, and by name those of `operations` that were asked.

    `waiting` is how much longer a call takes for each other user who asks at the same time, as a share of a call of
    its own: 0 where all are answered at once, 1 where one is answered after the other.
    """

    usual_s: float = 0.0
    operations: Mapping[str, float] = field(default_factory=dict[str, float])
    waiting: float = 0.0

    def call_s(self, operation: Operation, users: int = 1) -> float:
        """How long a call should take where so many users ask."""
        alone_s = self.operations.get(operation.name)
        if alone_s is None:
            alone_s = max(operation.took_s, operation.round_trips * self.usual_s)
        return alone_s * (1 + self.waiting * (users - 1))

    def reset_s(self, operation: Operation) -> float:
        """How long a reset takes beside its work."""
        return operation.reset_trips * self.usual_s


UNKNOWN = Speed()
"""Of a service that could not be asked, or not be asked without making something."""


def ask(session: Session, operations: Sequence[Operation]) -> Speed:
    """The speed of a service; `UNKNOWN` where nothing of it can be asked so, or is not answered."""
    try:
        with closing(_Asking(session)) as asking:
            took_s = {
                operation.name: found
                for operation in operations
                if operation.repeatable and (found := asking.alone_s(operation))
            }
            # The floor of what speaks HTTP is a server of our own.
            own = {name: found for name, found in took_s.items() if name != FLOOR} or took_s
            if not own:
                return UNKNOWN
            usual_s = median(own.values())
            slow = [one for one in operations if own.get(one.name, 0.0) >= SLOW_S]
            loaded = next((one for one in slow if one.sustained), slow[0]) if slow else None
            waiting = asking.waiting(loaded, own[loaded.name]) if loaded else 0.0
            return Speed(usual_s=usual_s, operations=took_s, waiting=waiting)
    except (ServiceError, OSError, *session.exceptions):
        return UNKNOWN


def answers(session: Session, operation: Operation) -> bool:
    """Whether one user is answered within the deadline of a call, whatever the answer is."""
    try:
        with closing(_Asking(session)) as asking:
            return asking.outcome(operation) is not Outcome.TIMEOUT
    except TimeoutError:
        return False
    except (ServiceError, OSError, *session.exceptions):
        return True


class _Asking:
    """Asks by connections of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._connections: list[Connection] = []
        self._recorder = Recorder(CALLS + 2 * AT_ONCE)

    def alone_s(self, operation: Operation) -> float | None:
        """How long a call of one user takes; None where it is not answered right."""
        [user] = self._users(operation, 1)
        driver = driver_of(user.wire, finite=False)
        # What the first call does once, the others do not.
        drive_one(driver, self._recorder, seconds=0.0, calls=1)
        drive_one(driver, self._recorder, seconds=LONGEST_S, calls=CALLS - 1)
        took_ns, outcomes = self._recorder.latency_ns, self._recorder.outcome
        right = [took_ns[n] for n in range(self._recorder.length) if outcomes[n] == Outcome.OK]
        if len(right) < self._recorder.length:
            self.close()  # a late answer must not be taken for the next one
            return None
        return median(right[1:] or right) / 1e9

    def outcome(self, operation: Operation) -> Outcome:
        """How one call ends."""
        [user] = self._users(operation, 1)
        drive_one(driver_of(user.wire, finite=False), self._recorder, seconds=0.0, calls=1)
        return Outcome(self._recorder.outcome[0])

    def waiting(self, operation: Operation, alone_s: float) -> float:
        """How much longer a call takes for each other user, as a share of one that is alone."""
        users = self._users(operation, AT_ONCE)
        began = time.perf_counter()
        piece = drive_many(users, self._recorder, seconds=0.0, calls=AT_ONCE)
        took_s = time.perf_counter() - began
        if piece.problem:
            return 1.0
        return min(1.0, max(0.0, (took_s / alone_s - 1) / (AT_ONCE - 1)))

    def close(self) -> None:
        while self._connections:
            self._connections.pop().close()

    def _users(self, operation: Operation, users: int) -> list[User]:
        assert operation.wire is not None
        if operation.reset is not None:
            operation.reset(users, 1)
        self._recorder.clear()
        while len(self._connections) < users:
            self._connections.append(self._session.connect())
        return [
            User(operation.wire(connection, number, 1), finite=False)
            for number, connection in enumerate(self._connections[:users])
        ]
