"""
What happened to the containers of a stack since they were looked at last?

An engine tells what a container is now; what it was between two looks, paused or killed, is in its events.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.cgroup import cgroup_of, container_of
from devperf_pipeline.measure.containers import Containers, Housed
from devperf_pipeline.measure.docker import Container, Event

MADE_OF = ("image", "digest", "cpu limit", "memory limit")
"""The facts of a container without which figures before and after are not of the same service."""

KILLED = 137
"""The exit code of what SIGKILL ended, by which the kernel ends what exceeds its memory."""

ENDED = ("die", "died")
PAUSED, RESUMED = ("pause",), ("unpause",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened to a container of a service, in one sentence; `other` if what runs now is not what ran before."""

    service: str
    sentence: str
    other: bool = False


@dataclass(slots=True)
class _Seen:
    """A container as it was at the last look, and the ports at which its service expects it."""

    housed: Housed
    last: Container
    looked_s: float
    oom_kills: int | None

    @property
    def named(self) -> str:
        return f"{self.housed.node}: its container {self.last.name}"


@dataclass(slots=True)
class ContainerChanges:
    """The containers of a stack as they were at the last look."""

    containers: Containers
    clock: Callable[[], float] = time.time
    _seen: list[_Seen] = field(init=False)

    def __post_init__(self) -> None:
        now_s = self.clock()
        self._seen = [
            _Seen(one, one.container, now_s, _oom_kills(one.container)) for one in self.containers.housed
        ]

    def since_last_look(self, service: str | None = None) -> list[Change]:
        """What happened to the containers of a service; of all, if none is named."""
        chosen = [one for one in self._seen if service in {None, one.housed.service}]
        return [change for one in chosen for change in self._look(one)]

    def why_not_ready(self, service: str) -> str | None:
        """Why a container of a service cannot be measured now; None where all of them can."""
        for one in self._seen:
            if one.housed.service == service:
                expected, name = one.housed.container.ports, one.last.name
                try:
                    now = one.housed.engine.container(name)
                except MeasurementError:
                    return f"the container {name} is gone"
                if now.state != "running":
                    return f"the container {name} is {now.state}"
                if now.health == "starting":
                    return f"the container {name} is not healthy yet"
                if now.ports != expected:
                    return f"the container {name} is published at {_ports(now)}, not at {_ports(one.housed.container)}"
        return None

    def _look(self, one: _Seen) -> Iterator[Change]:
        before, since_s, engine = one.last, one.looked_s, one.housed.engine
        one.looked_s = self.clock()

        def change(what: str, *, other: bool = False) -> Change:
            return Change(service=one.housed.service, sentence=f"{one.named} {what}.", other=other)

        try:
            now = engine.container(before.name)
        except MeasurementError:
            yield change("is gone")
            return
        try:
            events = engine.events(before.id, since_s)
        except MeasurementError:
            events = []  # what happened in between is not known; what it is now is
        kills, differs = _oom_kills(now), _differences(before, now)
        if now.id != before.id:
            yield change(
                f"was made again at {_at(now.started_s)}, {f'with {differs}' if differs else 'of the same image'}",
                other=bool(differs),
            )
        elif now.started_s != before.started_s:
            yield change(f"was started again at {_at(now.started_s)}{_end(now, events)}")
        elif kills is not None and one.oom_kills is not None and kills > one.oom_kills:
            yield change(
                f"exceeded its {_limit(now)}: the kernel ended {kills - one.oom_kills} of its processes"
            )
        if differs and now.id == before.id:
            yield change(f"was given {differs}", other=True)
        if now.state == before.state:
            pass
        elif now.state == "paused":
            yield change("is paused")
        elif now.state != "running":
            yield change(f"does not run any more ({now.state}){_end(now, events)}")
        for begin_s, seconds in _pauses(events):
            yield change(f"was paused at {_at(begin_s)} for {seconds:.1f} s")
        if now.ports and now.ports != before.ports:
            yield change(f"is published at {_ports(now)}, no longer at {_ports(before)}")
        one.last, one.oom_kills = now, kills


def _oom_kills(container: Container) -> int | None:
    """How often the kernel ended a process of a container; None where its group is not seen from here."""
    group = (
        cgroup_of([container.pid]) if container.pid and container_of(container.pid) == container.id else None
    )
    return group.oom_kills() if group else None


def _differences(before: Container, now: Container) -> str:
    """What it is made of that it was not before, in words."""
    old, new = before.facts, now.facts
    changed = [key for key in MADE_OF if old[key] != new[key]]
    if "image" in changed:
        changed = [key for key in changed if key != "digest"]  # another image is another digest
    return ", ".join(f"{key} {_short(new[key])} in place of {_short(old[key])}" for key in changed)


def _short(value: str) -> str:
    return value[:19] if value.startswith("sha256:") else value


def _end(now: Container, events: list[Event]) -> str:
    """How its first process ended last, as far as that is told."""
    codes = [event.exit_code for event in events if event.action in ENDED]
    code = now.exit_code if now.state not in {"running", "paused"} else codes[-1] if codes else 0
    if now.oom_killed:
        return f": it was killed for exceeding its {_limit(now)}"
    if code == KILLED:
        like = (
            f", which is also how the kernel ends what exceeds its {_limit(now)}"
            if now.memory_limit_bytes
            else ""
        )
        return f": it was killed (exit code {code}){like}"
    return f" after it ended with exit code {code}" if code else ""


def _pauses(events: list[Event]) -> Iterator[tuple[float, float]]:
    """When pauses that are over began, and how many seconds they lasted."""
    began_s: float | None = None
    for event in events:
        if event.action in PAUSED:
            began_s = event.at_s
        elif event.action in RESUMED and began_s is not None:
            yield began_s, event.at_s - began_s
            began_s = None


def _limit(container: Container) -> str:
    return f"memory limit of {container.facts['memory limit']}"


def _ports(container: Container) -> str:
    return ", ".join(map(str, container.ports)) or "no port"


def _at(moment_s: float) -> str:
    return f"{time.strftime('%H:%M:%S', time.gmtime(moment_s))} UTC"
