"""
What does every stage of a run get beside its plan?

The stack, its placement on cores, where to what is measured goes, who hears of it and may stop it. All of it is fixed
while a run lasts but `RunState`, which says what became of each service.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.collector import Collector
from devperf_pipeline.measure.container_changes import ContainerChanges
from devperf_pipeline.measure.containers import Containers
from devperf_pipeline.measure.cpu_affinity import Placement
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.rounds import Measurer
from devperf_pipeline.model import Baseline, ResourceReading, Round, Service, ServiceState, Stack, Stated

ASK_EVERY_S = 1.0
"""Whether to stop is asked this often: it may cost a look into a database."""

NAP_S = 0.2


class Sink(Protocol):
    """Where what was measured goes, whole or not at all. `store/` has one."""

    def begin(self, baseline: Baseline) -> None:
        """A run begins."""

    def keep(self, measured: Round) -> None:
        """Keep one round for good before anything else happens."""

    def keep_resources(self, readings: Sequence[ResourceReading]) -> None:
        """Keep what was read of processes, some seconds' worth at a time."""

    def keep_stated(self, stated: Stated) -> None:
        """Keep what a reference tool said of one of its runs."""

    def finish(self, baseline: Baseline) -> None:
        """The run is over; nothing more comes."""


class Cancelled(MeasurementError):
    """Somebody asked the run to stop. What was measured is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Who hears how a run goes: sentences for people, progress after each round. `cancelled` says whether to stop."""

    say: Callable[[str], None] = lambda _: None
    progress: Callable[[Progress], None] = lambda _: None
    cancelled: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class RunState:
    """What became of each service so far, and why: the one thing that changes while a run lasts."""

    states: dict[str, ServiceState] = field(default_factory=dict[str, ServiceState])
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    asked_to_stop_s: float = 0.0

    def failed(self, service: str, why: str) -> None:
        """The service is not measured (any more), and why."""
        self.states[service], self.reasons[service] = "failed", why

    def note(self, service: str, why: str) -> None:
        """Part of what should be known of the service is not."""
        self.reasons[service] = "; ".join(filter(None, (self.reasons.get(service), why)))

    def can_ask(self, service: str) -> bool:
        """Whether the service is being measured."""
        return self.states.get(service) == "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """
    One run: what is measured, by what, and who hears of it.

    `processes` are the main processes of the services that we started ourselves: they are placed on cores.
    `reread` returns a service as it is described now, when it refuses; None where its credentials are kept nowhere.
    `host` says what machine this is.
    """

    stack: Stack
    sink: Sink
    host: Mapping[str, str] = field(default_factory=dict[str, str])
    processes: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    reread: Callable[[str], Service | None] = lambda _: None
    reporter: Reporter = field(default_factory=Reporter)
    clock: Callable[[], float] = time.monotonic
    state: RunState = field(default_factory=RunState)
    placement: Placement = field(init=False)
    containers: Containers = field(init=False)
    container_changes: ContainerChanges = field(init=False)
    measurer: Measurer = field(init=False)
    collector: Collector = field(init=False)

    def __post_init__(self) -> None:
        placement = Placement([pid for pids in self.processes.values() for pid in pids])
        containers = Containers(self.stack, self.processes)
        collector = Collector(
            containers,
            cores=placement.spare,
            keep=self.sink.keep_resources,
            say=self.reporter.say,
        )
        for name, made in {
            "placement": placement,
            "containers": containers,
            "container_changes": ContainerChanges(containers),
            "measurer": Measurer(placement, containers.throttling),
            "collector": collector,
        }.items():
            object.__setattr__(self, name, made)  # fixed from here on
        self.state.asked_to_stop_s = self.clock()

    def close(self) -> None:
        """End what was started for this run, and let everything run on every core again. Safe to call twice."""
        self.measurer.disconnect()
        self.placement.release()
        self.collector.close()

    def say(self, message: str) -> None:
        """Tell people at once."""
        self.reporter.say(message)

    def keep(self, measured: Sequence[Round]) -> Round:
        """Keep a round, with its warm-up if that made calls; returns the round."""
        for one in measured:
            if one.phase == "measured" or one.latency_ns:
                self.sink.keep(one)
        return measured[-1]

    def check_cancelled(self) -> None:
        """Raise `Cancelled` if somebody asked to stop; called between rounds, asks at most once a second."""
        if self.clock() - self.state.asked_to_stop_s > ASK_EVERY_S:
            self.state.asked_to_stop_s = self.clock()
            if self.reporter.cancelled():
                raise Cancelled("The run was asked to stop. Every round that had ended is kept.")

    def pause(self, seconds: float) -> None:
        """Wait; raises `Cancelled` if somebody asks meanwhile to stop."""
        ends = self.clock() + seconds
        while (left_s := ends - self.clock()) > 0:
            time.sleep(min(NAP_S, left_s))
            self.check_cancelled()
