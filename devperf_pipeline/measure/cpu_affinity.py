"""
On which cores do client and servers run?

Placement is a condition of a measurement: the same Redis GET takes 20 microseconds on one core and 40 on two.
Left alone, the kernel chooses other cores each time. So for the stack that we start it is fixed and stored:
one user shares a core with the servers (nothing waits for a wake-up on another core), many users have a core of
their own and the servers have the others.
Servers that somebody else started are not moved; there, and where the system has no such call, placement is "free".
"""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import psutil

PROC = Path("/proc")


def tree(roots: Iterable[int], parents: Mapping[int, int]) -> set[int]:
    """The processes of `roots` and all their descendants, from a map of process to parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found and pid in parents:
            found.add(pid)
            waiting.extend(children.get(pid, ()))
    return found


class Processes:
    """One look at all processes of this machine (Linux): who is whose child, and CPU ticks used so far."""

    __slots__ = ("parents", "ticks", "total_ticks")

    def __init__(self) -> None:
        self.parents: dict[int, int] = {}
        self.ticks: dict[int, int] = {}
        for entry in os.scandir(PROC):
            if entry.name.isdigit():
                try:
                    fields = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it ended while we looked
                self.parents[int(entry.name)] = int(fields[1])
                self.ticks[int(entry.name)] = int(fields[11]) + int(fields[12])
        cpu = Path(PROC, "stat").read_bytes().split(b"\n", 1)[0].split()[1:]
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, cpu[:8])
        self.total_ticks = user + nice + system + irq + softirq + steal


class Placement:
    """
    Moves this process and the servers of our stack between cores, and says where they are.

    `roots` are the main processes of the stack (none for a stack that others started).
    """

    def __init__(self, roots: Collection[int] = ()) -> None:
        self._roots = roots
        self._moved: str | None = None
        self.available = hasattr(os, "sched_setaffinity") and bool(roots)
        self._cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

    @property
    def spare(self) -> set[int]:
        """
        The cores that the client never has: where whatever runs beside a measurement disturbs it least. None where
        nothing is moved, or there is but one core.
        """
        return set(self._cores[:-1]) if self.available else set()

    def room(self, engines: int) -> bool:
        """Whether so many engine processes can have a core each and leave one to the servers."""
        return len(self._cores) > engines

    def choose(self, users: int, engines: int = 1) -> str:
        """
        Move everything to where a load of so many users is measured, and name the placement.

        The users are asked for by so many `engines`, for which there must be `room`.
        """
        if not self.available:
            return "free"
        client, others = set(self._cores[-engines:]), set(self._cores[:-engines])
        if users == 1 or not others:
            name, servers = f"together:{_listed(client)}", client
        else:
            name, servers = f"apart:{_listed(client)}|{_listed(others)}", others
        if name != self._moved:
            os.sched_setaffinity(0, client)
            for pid in self.servers(Processes()):
                move(pid, servers)
            self._moved = name
        return name

    def servers(self, seen: Processes) -> set[int]:
        """Every process of the stack."""
        return tree(self._roots, seen.parents)

    def release(self) -> None:
        """Let everything run everywhere again."""
        if self.available and self._moved:
            os.sched_setaffinity(0, self._cores)
            for pid in self.servers(Processes()):
                move(pid, set(self._cores))
            self._moved = None


def _listed(cores: Iterable[int]) -> str:
    return ",".join(map(str, sorted(cores)))


def move(pid: int, cores: set[int]) -> None:
    """Bind every thread of a process to `cores`. A thread that ends meanwhile, or is not ours to move, is left."""
    try:
        threads = [int(entry.name) for entry in os.scandir(f"/proc/{pid}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return
    for thread in threads:
        try:
            os.sched_setaffinity(thread, cores)
        except (ProcessLookupError, PermissionError):
            continue


class LoadGate:
    """How much of the machine did others use during a slice, and how much nobody? `None` where it cannot be told."""

    __slots__ = ("_before", "_cores", "_idle_s", "_placement")

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._before: Processes | None = None
        self._cores = os.cpu_count() or 1
        self._idle_s = 0.0

    def begin(self) -> None:
        """Look before the slice."""
        self._before = Processes() if self._placement.available else None
        self._idle_s = psutil.cpu_times().idle

    def idle_cores(self, elapsed_ns: int) -> float | None:
        """Look after it: how many cores' worth of time nobody used. Under 100 ms nothing is said."""
        if elapsed_ns < 100_000_000:
            return None
        return max(0.0, round((psutil.cpu_times().idle - self._idle_s) / (elapsed_ns / 1e9), 2))

    def end(self, elapsed_ns: int, engines_ns: int = 0) -> float | None:
        """
        Look after it: the share (0 to 1) of all cores that neither this process nor the stack used.

        `engines_ns` is the CPU time of engine processes that were ours and have ended.
        Ticks are 10 ms, so short slices are told coarsely; under 100 ms nothing is said.
        """
        if self._before is None or elapsed_ns < 100_000_000:
            return None
        before, after = self._before, Processes()
        ours = self._placement.servers(after) | {os.getpid()}
        used = sum(
            after.ticks[pid] - before.ticks.get(pid, after.ticks[pid]) for pid in ours if pid in after.ticks
        )
        total = after.total_ticks - before.total_ticks
        hertz = os.sysconf("SC_CLK_TCK")
        used += int(engines_ns / 1e9 * hertz)
        return max(0.0, round((total - used) / (elapsed_ns / 1e9 * hertz * self._cores), 3))
