"""What does a whole tree of processes use, whoever of them comes and goes?"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from devperf_pipeline.measure.cpu_affinity import tree

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What was used, at one moment. Counters run on since the first look; what cannot be read is None."""

    cpu_s: float | None = None
    rss_bytes: int | None = None
    pss_bytes: int | None = None
    vsz_bytes: int | None = None
    processes: int | None = None
    threads: int | None = None
    descriptors: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None
    limit_bytes: int | None = None
    oom_kills: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """
    What one process has used up since it began.

    `waited_s` is the CPU of its children that ended and were waited for; the system counts what such children read
    and wrote as their parent's, without telling it apart.
    """

    parent: int
    own_s: float
    waited_s: float
    read_bytes: int | None
    written_bytes: int | None


@dataclass(frozen=True, slots=True)
class Occupied:
    """What one process occupies at the moment."""

    rss_bytes: int
    pss_bytes: int | None
    vsz_bytes: int
    threads: int
    descriptors: int | None


Key = tuple[int, float]
"""A process: its id and the moment of its birth. An id alone is given away again."""


def parents() -> dict[int, int]:
    """Who is whose child, on the whole machine."""
    found: dict[int, int] = {}
    for process in psutil.process_iter():
        try:
            found[process.pid] = process.ppid()
        except psutil.Error:
            continue  # it ended while we looked
    return found


class ProcessTree:
    """
    The processes of `roots` and all their descendants, also those whose parent has ended since.

    A child that began since the last look is counted from its birth on. What one that ended had used stays counted.
    """

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = tuple(roots)
        self._spent: dict[Key, Spent] = {}
        self._occupied: dict[Key, Occupied] = {}
        self._cpu_s = 0.0
        self._read: int | None = 0
        self._written: int | None = 0

    def members(self, family: dict[int, int]) -> set[int]:
        """The processes that belong to it now, from a map of process to parent."""
        return tree((*self._roots, *(pid for pid, _ in self._spent)), family)

    def look(self, members: Collection[int], *, walk: bool = True) -> Use | None:
        """
        What these processes use now, as far as they still run; None if none does.

        To `walk` over their pages costs the machine the most by far. Without it, what they occupy is told as it was
        at the last walk, but for those that are new.
        """
        spent: dict[Key, Spent] = {}
        now: dict[Key, Occupied] = {}
        for pid in members:
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    key = (pid, process.create_time())
                    spent[key] = _spent(process)
                    known = None if walk else self._occupied.get(key)
                    now[key] = known or _occupied(process)
            except psutil.AccessDenied:
                return None  # a sum without it would be less than what is used
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue  # it ended; of one that nobody has waited for yet, what it spent is still told
        self._count(spent)
        self._occupied = now
        if not now:
            return None
        return Use(
            cpu_s=self._cpu_s,
            rss_bytes=sum(one.rss_bytes for one in now.values()),
            pss_bytes=_sum(one.pss_bytes for one in now.values()),
            vsz_bytes=sum(one.vsz_bytes for one in now.values()),
            processes=len(now),
            threads=sum(one.threads for one in now.values()),
            descriptors=_sum(one.descriptors for one in now.values()),
            read_bytes=self._read,
            written_bytes=self._written,
        )

    def _count(self, spent: dict[Key, Spent]) -> None:
        """
        Add what was spent since the last look.

        Of a child that ended, its parent's counters tell everything up to its end once it was waited for; what was
        seen of it before is in the sum already.
        """
        gone_by_pid = {key[0]: last for key, last in self._spent.items() if key not in spent}
        ended: dict[int, list[Spent]] = {}
        for last in gone_by_pid.values():
            parent = last.parent
            while parent in gone_by_pid:  # it told its own parent of its children
                parent = gone_by_pid[parent].parent
            ended.setdefault(parent, []).append(last)
        for key, now in spent.items():
            gone = ended.get(key[0], [])
            before = self._spent.get(key, Spent(0, 0.0, 0.0, 0, 0))
            waited_s = now.waited_s - before.waited_s - sum(one.own_s + one.waited_s for one in gone)
            self._cpu_s += now.own_s - before.own_s + max(0.0, waited_s)
            self._read = _rise(
                self._read, now.read_bytes, before.read_bytes, _sum(one.read_bytes for one in gone)
            )
            self._written = _rise(
                self._written,
                now.written_bytes,
                before.written_bytes,
                _sum(one.written_bytes for one in gone),
            )
        self._spent = spent


def _spent(process: psutil.Process) -> Spent:
    times = process.cpu_times()
    read: int | None = None
    written: int | None = None
    try:
        io = process.io_counters()
        read, written = io.read_bytes, io.write_bytes
    except (psutil.AccessDenied, AttributeError, NotImplementedError):
        pass  # another user's process, or a system that does not count this
    return Spent(
        parent=process.ppid(),
        own_s=times.user + times.system,
        waited_s=times.children_user + times.children_system,
        read_bytes=read,
        written_bytes=written,
    )


def _occupied(process: psutil.Process) -> Occupied:
    memory = process.memory_info()
    try:
        descriptors = process.num_fds()
    except psutil.AccessDenied:
        descriptors = None
    exact = _rollup(process.pid)
    return Occupied(
        rss_bytes=exact["Rss"] if exact else memory.rss,
        pss_bytes=exact["Pss"] if exact else None,
        vsz_bytes=memory.vms,
        threads=process.num_threads(),
        descriptors=descriptors,
    )


def _rollup(pid: int) -> dict[str, int] | None:
    """
    RSS and PSS from the kernel's own walk over the pages, None where it may not be read.

    The RSS that others read is a counter which lags by up to a megabyte on each core.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except (PermissionError, FileNotFoundError):
        return None
    lines = (line.split() for line in text.splitlines()[1:])
    found = {words[0][:-1].decode(): int(words[1]) * KIB for words in lines}
    return found if {"Rss", "Pss"} <= found.keys() else None


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum, None where a part of it is not known."""
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _rise(total: int | None, now: int | None, before: int | None, gone: int | None) -> int | None:
    """A counter after one more look. Once a part of it could not be read it is not known any more."""
    if total is None or now is None or before is None or gone is None:
        return None
    return total + max(0, now - before - gone)
