"""
In which containers do the services of a stack run, what are these, and what does their CPU limit do to them?

Engines are asked when a run begins and when something happened. What a limit did is read around each round: one small
file of the control group for each container that has a limit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.cgroup import Cgroup
from devperf_pipeline.measure.docker import Container, Docker
from devperf_pipeline.measure.service_processes import Target, targets
from devperf_pipeline.model import Stack, Throttling

ReadThrottling = Callable[[], Throttling | None]


@dataclass(frozen=True, slots=True)
class Housed:
    """A service, or a node of one ("redis_cluster/2"), and the container that it runs in."""

    node: str
    engine: Docker
    container: Container

    @property
    def service(self) -> str:
        """The service that it is, or is a node of."""
        return self.node.partition("/")[0]


class Containers:
    """
    Whatever runs of a stack: its `targets`, why some of it is `unseen`, and the containers that are known.

    `processes` are the main processes of the services that we started ourselves.
    """

    def __init__(self, stack: Stack, processes: Mapping[str, Sequence[int]]) -> None:
        self._stack, self._processes = stack, processes
        self.targets: Sequence[Target] = ()
        self.unseen: Sequence[str] = ()
        self.housed: Sequence[Housed] = ()
        self._limited: dict[str, list[ReadThrottling]] = {}
        self._versions: dict[str, str] = {}
        self.look()

    def look(self) -> None:
        """Find out again who runs where."""
        self.targets, self.unseen = targets(self._stack, self._processes)
        self.housed = [*filter(None, map(self._house, self.targets))]
        self._limited = {}
        for target in self.targets:
            if (read := _throttling_of(target)) is not None:
                self._limited.setdefault(target.name.partition("/")[0], []).append(read)

    def facts(self, service: str) -> Mapping[str, str]:
        """What the containers of a service are: image, limits, network, …, in the order of its nodes where they differ."""
        found = [
            {**one.container.facts, "engine": self._versions[str(one.engine.socket_path)]}
            for one in self.housed
            if one.service == service
        ]
        return {f"container {key}": _joined(one[key] for one in found) for key in (found[0] if found else ())}

    def throttling(self, service: str) -> Throttling | None:
        """What the CPU limits of a service did since its containers began; None without a limit, or if nobody counts it."""
        found = [read() for read in self._limited.get(service, ())]
        known = [one for one in found if one is not None]
        return sum(known[1:], known[0]) if known and len(known) == len(found) else None

    def _house(self, target: Target) -> Housed | None:
        if not target.docker or not target.container:
            return None
        engine = Docker(Path(target.docker))
        try:
            if target.docker not in self._versions:
                self._versions[target.docker] = " ".join(engine.version())
            return Housed(target.name, engine, engine.container(target.container))
        except MeasurementError:
            return None  # it went between two questions


def _throttling_of(target: Target) -> ReadThrottling | None:
    """How to read what a CPU limit does to a target; None without a limit: then nothing is read."""
    if target.cgroup:
        group = Cgroup(target.cgroup, min(target.pids))
        return group.throttling if group.cpu_limit() is not None else None
    if target.docker and target.container and not target.pids:
        engine = Docker(Path(target.docker))
        try:
            limited = engine.container(target.container).cpu_limit is not None
        except MeasurementError:
            return None
        return partial(_told, engine, target.container) if limited else None
    return None


def _told(engine: Docker, container: str) -> Throttling | None:
    try:
        return engine.throttling(container)
    except MeasurementError:
        return None


def _joined(values: Iterable[str]) -> str:
    values = list(values)
    return values[0] if len(set(values)) == 1 else ", ".join(values)
