"""
What does the process do that reads, again and again, what everything that runs uses?

It is a process of its own, so that it never takes the interpreter of the engine, whose orders it reads as lines of
JSON; it ends when its input ends, or whoever started it.
"""

import json
import os
import select
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.cgroup import Cgroup
from devperf_pipeline.measure.docker import Docker
from devperf_pipeline.measure.process_tree import ProcessTree, Use, parents
from devperf_pipeline.measure.service_processes import Target
from devperf_pipeline.model import ResourcePhase, ResourceReading

FLUSH_S = 5.0
"""So many seconds of readings are handed on at a time: more could be lost, less would disturb more often."""

WALK_S = 0.9
"""Who is there and how much memory they have is looked up this often at most, however often CPU is read."""

HOST, OTHERS, ENGINE, OURSELVES = "host", "others", "engine", "devperf"

AT_REST = ("idle", "iowait", "guest", "guest_nice", "steal")
"""Kinds of time in which no process of this machine ran; guests' are part of user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """
    What readings are made for. `only` names the services that are read alone (all if it is empty), each with the
    benchmark that its readings are of.
    """

    phase: ResourcePhase
    benchmark: str | None = None
    users: int = 0
    only: Mapping[str, str] = field(default_factory=dict[str, str])

    def benchmark_of(self, name: str) -> str | None:
        """The benchmark of a target's readings; "redis_cluster/2" is a node of a service."""
        return self.only.get(name.partition("/")[0], self.benchmark)


class Reader:
    """Reads one target, wherever it is."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._tree = ProcessTree(target.pids)
        self._cgroup = Cgroup(target.cgroup, min(target.pids)) if target.cgroup else None
        self._docker = Docker(Path(target.docker)) if target.docker and not target.pids else None
        self.source = "docker" if self._docker else "cgroup" if self._cgroup else "processes"

    def members(self, family: dict[int, int]) -> set[int]:
        """The processes that are its own now."""
        if self._cgroup:
            return self._cgroup.members()
        return self._tree.members(family) if self.target.pids else set()

    def use(self, members: Collection[int], *, walk: bool) -> Use | None:
        """What it uses now; None if it is gone, or cannot be read. `walk` is as in `ProcessTree.look`."""
        if self._docker and self.target.container:
            try:
                return self._docker.use(self.target.container)
            except MeasurementError:
                return None
        use = self._tree.look(members, walk=walk)
        return self._cgroup.refine(use) if use and self._cgroup else use


class Sampling:
    """The readers of everything, and what they read last."""

    def __init__(self, targets: Collection[Target]) -> None:
        # Whoever comes first owns a process: this one and servers that we started are children of the engine, too.
        own = Target(name=OURSELVES, category="measuring", pids=(os.getpid(),))
        engine = Target(name=ENGINE, category="measuring", pids=(os.getppid(),))
        self._readers = [Reader(target) for target in (own, *targets, engine)]
        self._last: dict[str, tuple[int, float | None]] = {}
        self._family: dict[int, int] = {}
        self._walked: float | None = None

    def look(self, purpose: Purpose) -> Iterator[ResourceReading]:
        """Read everybody once. Those that were not read before give no reading: CPU is told between two looks."""
        at_ns = time.time_ns()
        walk = self._walked is None or time.monotonic() - self._walked > WALK_S
        if walk:
            self._walked, self._family = time.monotonic(), parents()
        claimed: set[int] = set()
        used_percent = 0.0
        for reader in self._readers:
            name = reader.target.name
            members = reader.members(self._family) - claimed
            claimed |= members
            if purpose.only and name.partition("/")[0] not in purpose.only:
                continue
            use = reader.use(members, walk=walk)
            if use is None:
                continue
            reading = self._reading(reader.target, use, reader.source, purpose, at_ns)
            if reading is not None:
                # A container's virtual machine is a process of this one, too.
                used_percent += reading.cpu_percent or 0.0
                yield reading
        if not purpose.only:
            yield from self._machine(len(claimed), len(self._family), used_percent, purpose, at_ns)

    def forget(self) -> None:
        """Start over: the next look is the first."""
        self._last.clear()
        self._walked = None

    def _machine(
        self, known: int, processes: int, used_percent: float, purpose: Purpose, at_ns: int
    ) -> Iterator[ResourceReading]:
        """The whole machine, and what of it is neither the stack's nor ours."""
        memory = psutil.virtual_memory()
        use = Use(
            cpu_s=_busy_s(),
            rss_bytes=memory.total - memory.available,
            processes=processes,
            limit_bytes=memory.total,
        )
        host = self._reading(Target(name=HOST, category=HOST), use, "processes", purpose, at_ns)
        if host is None or host.cpu_percent is None:
            return
        yield host
        yield replace(
            host,
            service=OTHERS,
            # Both are counted in ticks, and not at the very same moment.
            cpu_percent=round(max(0.0, host.cpu_percent - used_percent), 2),
            rss_bytes=None,
            limit_bytes=None,
            processes=max(0, processes - known),
        )

    def _reading(
        self, target: Target, use: Use, source: str, purpose: Purpose, at_ns: int
    ) -> ResourceReading | None:
        now_ns = time.monotonic_ns()
        before = self._last.get(target.name)
        self._last[target.name] = (now_ns, use.cpu_s)
        if before is None:
            return None
        elapsed_ns = now_ns - before[0]
        known = use.cpu_s is not None and before[1] is not None
        return ResourceReading(
            service=target.name,
            category=target.category,
            phase=purpose.phase,
            at_ns=at_ns,
            elapsed_ns=elapsed_ns,
            cpu_percent=round(max(0.0, use.cpu_s - before[1]) * 1e11 / elapsed_ns, 2) if known else None,  # type: ignore[operator]
            users=purpose.users,
            benchmark=purpose.benchmark_of(target.name),
            source=source,
            **{key: value for key, value in asdict(use).items() if key != "cpu_s"},
        )


def _busy_s() -> float:
    times: dict[str, float] = psutil.cpu_times()._asdict()
    return sum(value for kind, value in times.items() if kind not in AT_REST)


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """
    Obey until the orders end. The first says what there is; each `begin` is answered by one look, each `end` by the
    rest of the readings.
    """

    def answer(word: str, readings: Collection[ResourceReading] = ()) -> None:
        line = {"word": word, "readings": [asdict(reading) for reading in readings]}
        answers.write(json.dumps(line).encode() + b"\n")
        answers.flush()

    first: dict[str, Any] = json.loads(orders.readline())
    interval_s: float = first["interval_s"]
    if first["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, first["cores"])
    sampling = Sampling([Target(**{**found, "pids": tuple(found["pids"])}) for found in first["targets"]])
    purpose: Purpose | None = None
    kept: list[ResourceReading] = []
    looked = flushed = time.monotonic()
    parent = os.getppid()
    # A process that was forked from ours may hold our input open.
    while os.getppid() == parent:
        wait_s = FLUSH_S if purpose is None else max(0.0, looked + interval_s - time.monotonic())
        ordered = bool(select.select([orders], [], [], wait_s)[0])
        now = time.monotonic()
        if not ordered:
            if purpose is None:
                continue
            # After a look that took long the next one is not made up for.
            looked = max(looked + interval_s, now - interval_s / 2)
            kept += sampling.look(purpose)
            if now - flushed >= FLUSH_S:
                answer("kept", kept)
                kept, flushed = [], now
            continue
        line = orders.readline()
        if not line:
            return
        order: dict[str, Any] = json.loads(line)
        if order["word"] == "begin":
            purpose = Purpose(**order["purpose"])
            sampling.forget()
            list(sampling.look(purpose))
            looked = flushed = time.monotonic()
            answer("began")
        else:
            # The end of a load belongs to it, unless it is so short that ticks of 10 ms say nothing.
            if purpose is not None and now - looked >= interval_s / 2:
                kept += sampling.look(purpose)
            purpose = None
            answer("ended", kept)
            kept = []


if __name__ == "__main__":
    # Unbuffered: what select() sees is all there is. Whoever stopped listening has no use for a complaint.
    with suppress(BrokenPipeError), open(0, "rb", buffering=0) as stdin:
        serve(stdin, sys.stdout.buffer)
