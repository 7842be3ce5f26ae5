"""
What is open while a run lasts, and where does everything that was measured go?

Every stage of a run gets the same `RunContext`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.collector import Sampler
from devperf_pipeline.measure.cpu_affinity import Placement
from devperf_pipeline.measure.plan import Item, Profile
from devperf_pipeline.measure.rounds import Measurer
from devperf_pipeline.model import (
    Baseline,
    Facts,
    ResourceReading,
    Round,
    RouteAnswer,
    Service,
    ServiceState,
    Stack,
    Stage,
    Stated,
)
from devperf_pipeline.services.operation import Session


class Sink(Protocol):
    """Where what was measured goes, whole or not at all. `store/` has one."""

    def begin(self, baseline: Baseline) -> None:
        """A run begins."""
        ...

    def keep(self, measured: Round) -> None:
        """Keep one round for good before anything else happens."""
        ...

    def keep_resources(self, readings: Sequence[ResourceReading]) -> None:
        """Keep what was read of processes, some seconds' worth at a time."""
        ...

    def keep_stated(self, stated: Stated) -> None:
        """Keep what a reference tool said of one of its runs."""
        ...

    def finish(self, baseline: Baseline) -> None:
        """The run is over; nothing more comes."""
        ...


class Cancelled(MeasurementError):
    """Somebody asked the run to stop. What was measured is kept."""


@dataclass(slots=True, kw_only=True)
class RunContext:
    """
    The sessions that are open, why others are not, and the means of measuring.

    `processes` returns the main processes of a service of a stack that we started ourselves (none of others).
    `services` are as they were entered last; `reread` returns one as it is described now (see `entry.py`).
    `said` hears what people should know at once; `check_cancelled` raises `Cancelled`, asks at most once a second,
    and is called between rounds. `planned` are the benchmarks of the stage "samples". `sampler` reads what everything
    uses, once that was asked for.
    """

    stack: Stack
    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    facts: dict[str, Facts] = field(default_factory=dict[str, Facts])
    states: dict[str, ServiceState] = field(default_factory=dict[str, ServiceState])
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    answers: dict[str, Sequence[RouteAnswer]] = field(default_factory=dict[str, Sequence[RouteAnswer]])
    planned: Sequence[Item] = ()
    profile: Profile
    placement: Placement
    measurer: Measurer
    sink: Sink
    seed: int
    stages: Mapping[Stage, tuple[str, ...]]
    processes: Callable[[str], list[int]]
    reread: Callable[[str], Service | None]
    services: dict[str, Service] = field(default_factory=dict[str, Service])
    read_at_s: dict[str, float] = field(default_factory=dict[str, float])
    say: Callable[[str], None]
    check_cancelled: Callable[[], None]
    sampler: Sampler | None = None

    def close(self) -> None:
        """End what was started for this context. Safe to call twice."""
        if self.sampler is not None:
            self.sampler.close()
            self.sampler = None

    def failed(self, service: str, why: str) -> None:
        """The service is not measured (any more), and why."""
        self.states[service] = "failed"
        self.reasons[service] = why

    def chosen(self, stage: Stage) -> Mapping[str, Session]:
        """The sessions of the services that this stage is about and that can be measured."""
        wanted = self.stages.get(stage)
        return {
            name: session
            for name, session in self.sessions.items()
            if self.states.get(name) == "measured" and wanted is not None and (not wanted or name in wanted)
        }
