"""
How did the calls end, service by service?
"""

from collections import Counter
from dataclasses import dataclass, field

from devperf_pipeline.measure.sitting import Keeper
from devperf_pipeline.model import Baseline, Outcome, Round


@dataclass(slots=True)
class Count:
    """
    The measured calls of one service: per benchmark how many, how they ended, and what else was wrong.
    """

    calls: Counter[str] = field(default_factory=Counter[str])
    outcomes: Counter[int] = field(default_factory=Counter[int])
    problems: list[str] = field(default_factory=list[str])

    @property
    def total(self) -> int:
        return self.outcomes.total()

    def ended(self, *outcomes: Outcome) -> int:
        """
        How many calls ended in one of these ways.
        """
        return sum(self.outcomes[outcome] for outcome in outcomes)


class Tally:
    """
    A keeper that counts what it hands on.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self.services: dict[str, Count] = {}

    def begin(self, baseline: Baseline) -> None:
        self._keeper.begin(baseline)

    def keep(self, measured: Round) -> None:
        self._keeper.keep(measured)
        if measured.phase != "measured":
            return
        count = self.services.setdefault(measured.benchmark.service, Count())
        count.calls[measured.benchmark.id] += len(measured.outcome)
        count.outcomes.update(measured.outcome)
        if measured.problem:
            count.problems.append(f"{measured.benchmark.id}, round {measured.number}: {measured.problem}")

    def finish(self, baseline: Baseline) -> None:
        self._keeper.finish(baseline)
