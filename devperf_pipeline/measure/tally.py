"""What was kept, service by service, and how did its calls end?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from devperf_pipeline.measure.run_context import Sink
from devperf_pipeline.model import Baseline, Outcome, ResourceReading, Round, Stage, Stated


@dataclass(slots=True)
class Count:
    """The measured calls of one service: per benchmark how many, how they ended, and what else was wrong."""

    calls: Counter[str] = field(default_factory=Counter[str])
    outcomes: Counter[int] = field(default_factory=Counter[int])
    problems: list[str] = field(default_factory=list[str])

    @property
    def total(self) -> int:
        return self.outcomes.total()

    def ended(self, *outcomes: Outcome) -> int:
        """How many calls ended in one of these ways."""
        return sum(self.outcomes[outcome] for outcome in outcomes)


class Tally:
    """
    A sink that counts what it hands on.

    `baseline` is the one that was begun; `services` counts the calls of the stage "samples"; `stages` how much was kept
    in each other stage: calls of sustained loads, readings of processes, runs or calls of reference tools.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.baseline: Baseline | None = None
        self.services: dict[str, Count] = {}
        self.stages: dict[Stage, Counter[str]] = {}

    def begin(self, baseline: Baseline) -> None:
        self.baseline = baseline
        self._sink.begin(baseline)

    def keep(self, measured: Round) -> None:
        self._sink.keep(measured)
        if measured.phase != "measured":
            return
        service, stage = measured.benchmark.service, measured.benchmark.stage
        if stage != "samples":
            self._add(stage, service, len(measured.outcome))
            return
        count = self.services.setdefault(service, Count())
        count.calls[measured.benchmark.id] += len(measured.outcome)
        count.outcomes.update(measured.outcome)
        if measured.problem:
            count.problems.append(f"{measured.benchmark.id}, round {measured.number}: {measured.problem}")

    def keep_resources(self, readings: Sequence[ResourceReading]) -> None:
        self._sink.keep_resources(readings)
        for reading in readings:
            # "redis_cluster/2" is a node of the service.
            self._add("resources", reading.service.partition("/")[0], 1)

    def keep_stated(self, stated: Stated) -> None:
        self._sink.keep_stated(stated)
        self._add("tools", stated.benchmark.service, 1)

    def finish(self, baseline: Baseline) -> None:
        self._sink.finish(baseline)

    def _add(self, stage: Stage, service: str, count: int) -> None:
        self.stages.setdefault(stage, Counter())[service] += count
