"""
What are the steps of a run: users, rounds, seconds, most calls?

Each stage plans its steps once. The runner executes exactly these, and a dry run sums what they cost.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devperf_pipeline.measure.profile import BETWEEN_S, WARMING_S, Profile
from devperf_pipeline.measure.steady_state import BLOCK_CALLS, BLOCK_S
from devperf_pipeline.model import Benchmark, Service
from devperf_pipeline.services.operation import Operation, Session

CYCLE = 4_000
"""Calls of all users together that are prepared where they can be cycled."""

LONGEST_CYCLE = 1_000
"""Calls of one user."""

LEAST_PREPARED = 10
"""Calls of one user where each call consumes something."""

FIRST_CALLS = 4 * BLOCK_CALLS
"""Calls of all users together that are prepared for the first warm-up, when nobody knows how fast the service is."""

MARGIN = 1.5
"""How much more than expected is prepared where each call consumes something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurable:
    """A service that can be measured: as the stack describes it, its open session, and what that says it does there."""

    service: Service
    session: Session
    operations: Sequence[Operation]
    objects: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """
    What steps take: seconds measured, seconds that are expected with warm-ups and what lies between, the most seconds.

    `most_calls` counts warm-ups, too; None where only the seconds bound the calls.
    """

    measured_s: float = 0.0
    expected_s: float = 0.0
    longest_s: float = 0.0
    most_calls: int | None = 0


def together(costs: Iterable[Cost]) -> Cost:
    """What all of them take; of their calls only those that are bounded."""
    costs = list(costs)
    return Cost(
        measured_s=sum(each.measured_s for each in costs),
        expected_s=sum(each.expected_s for each in costs),
        longest_s=sum(each.longest_s for each in costs),
        most_calls=sum(each.most_calls or 0 for each in costs),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkStep:
    """
    A benchmark of the engine or the driver: so many `rounds`, each a window of `seconds`.

    The first warm-up lasts `warmup_s` at most. A sustained load has `limit_calls`, and ends after these or `seconds`.
    """

    benchmark: Benchmark
    operation: Operation
    session: Session
    seconds: float
    warmup_s: float
    rounds: int = 1
    limit_calls: int | None = None

    @property
    def cost(self) -> Cost:
        """What it takes. Every round has a block of calls before it, the first one a warm-up."""
        measured_s = self.rounds * self.seconds
        return Cost(
            measured_s=measured_s,
            expected_s=WARMING_S + measured_s + self.rounds * BETWEEN_S,
            longest_s=self.warmup_s + BLOCK_S + measured_s + self.rounds * (BLOCK_S + BETWEEN_S),
            most_calls=self.limit_calls or self._most_consumed(),
        )

    def prepared(self, rate: float | None) -> int:
        """How many calls a user needs prepared, at that many calls a second of all users (None: not known yet)."""
        users, operation = self.benchmark.load.users, self.operation
        if not operation.finite:
            return min(LONGEST_CYCLE, CYCLE // users)
        if rate is None:
            expected: float = FIRST_CALLS
        else:
            # To prepare one may take as long as the call itself: no more than the block and the round will need.
            block = min(BLOCK_CALLS, rate * BLOCK_S)
            expected = MARGIN * (block + rate * self.seconds) + users
        return max(
            LEAST_PREPARED,
            min(math.ceil(min(expected, operation.largest) / users), operation.largest // users),
        )

    def _most_consumed(self) -> int | None:
        """Calls are prepared for warm-up and round together; before the first round there is one more warm-up."""
        if not self.operation.finite:
            return None
        first, each = self.prepared(None), self.prepared(math.inf)
        return self.benchmark.load.users * (self.rounds * each + min(first, each))


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStep:
    """
    The load tests of one service, users rising.

    After `budget_s` seconds only the `load_test` among its points is still made.
    """

    service: Service
    points: Sequence[BenchmarkStep]
    load_test: BenchmarkStep
    budget_s: float

    @property
    def cost(self) -> Cost:
        """What it takes, as far as the budget goes."""
        whole, last = together(point.cost for point in self.points), self.load_test.cost
        return Cost(
            measured_s=min(whole.measured_s, self.budget_s + last.measured_s),
            expected_s=min(whole.expected_s, self.budget_s + last.expected_s),
            longest_s=whole.longest_s,
            most_calls=whole.most_calls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightStep:
    """Requests of one operation that are in flight at one service while memory is read: step by step so many."""

    service: str
    operation: Operation
    session: Session
    users: Sequence[int]


def benchmark_step(
    benchmark: Benchmark, operation: Operation, session: Session, profile: Profile
) -> BenchmarkStep:
    """A benchmark of the interleaved rounds, as long as the profile says, or as the operation needs."""
    return BenchmarkStep(
        benchmark=benchmark,
        operation=operation,
        session=session,
        rounds=profile.rounds_of(benchmark),
        seconds=max(profile.seconds, operation.least_s),
        warmup_s=profile.warmup_s,
    )
