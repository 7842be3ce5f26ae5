"""What does the kernel say of a control group (version 1, 2 or both): who is in it, what it used, what it may use?"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from devperf_pipeline.measure.process_tree import Use
from devperf_pipeline.model import Throttling

MOUNT = Path("/sys/fs/cgroup")
PROC = Path("/proc")

UNIFIED = ""
"""The name of version 2 among the hierarchies of a group, as /proc/PID/cgroup writes it."""

READ = (UNIFIED, "cpu", "cpuacct", "memory", "blkio")
"""The hierarchies that are read; version 1 has one for each of these controllers, or for several together."""

CONTAINERS = ("docker", "libpod", "containerd", "crio", "kubepods", "lxc")
"""Words in the paths of groups that container managers make."""

ID = re.compile("[0-9a-f]{64}")
"""A container's id, as its group's path has it."""

NO_LIMIT = 1 << 60
"""A larger limit of memory is none: version 1 writes the largest number there is."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """
    One group, by its folder in each hierarchy: version 2 is `UNIFIED`, the others are named by their controllers.

    `pid` is a process inside, through which its network is seen.
    """

    folders: Mapping[str, str]
    pid: int
    proc: Path = PROC

    def members(self) -> set[int]:
        """Every process in it and in the groups below; none if it is gone."""
        found: set[int] = set()
        for folder in list(self.folders.values())[:1]:
            for file in Path(folder).rglob("cgroup.procs"):
                found |= {int(line) for line in _text(file).split()}
        return found

    def refine(self, use: Use) -> Use:
        """
        What its processes use, with what the group itself knows better: all CPU and disk that was ever used in it,
        network, the limit and what came of it.
        """
        cpu_s = self.cpu_s()
        read, written = self._disk()
        received, sent = _network(self.proc, self.pid)
        return replace(
            use,
            cpu_s=use.cpu_s if cpu_s is None else cpu_s,
            read_bytes=use.read_bytes if read is None else read,
            written_bytes=use.written_bytes if written is None else written,
            received_bytes=received,
            sent_bytes=sent,
            limit_bytes=self.memory_limit_bytes(),
            oom_kills=self.oom_kills(),
        )

    def cpu_s(self) -> float | None:
        """All CPU that was ever used in it, in seconds."""
        used_ns = self._text("cpuacct", "cpuacct.usage")
        if used_ns:
            return int(used_ns) / 1e9
        used_us = self._fields(UNIFIED, "cpu.stat").get("usage_usec")
        return None if used_us is None else used_us / 1e6

    def cpu_limit(self) -> float | None:
        """How many cores it may use; None without a limit."""
        words = self._text(UNIFIED, "cpu.max").split() or [
            self._text("cpu", "cpu.cfs_quota_us"),
            self._text("cpu", "cpu.cfs_period_us"),
        ]
        if all(word.isdecimal() for word in words) and int(words[1]):
            return int(words[0]) / int(words[1])
        return None

    def throttling(self) -> Throttling | None:
        """What a CPU limit did to it since it began: one file is read; None where nobody counts that."""
        found = self._fields("cpu" if "cpu" in self.folders else UNIFIED, "cpu.stat")
        throttled_ns = found.get("throttled_time", found.get("throttled_usec", 0) * 1000)
        if not {"nr_periods", "nr_throttled"} <= found.keys():
            return None
        return Throttling(found["nr_periods"], found["nr_throttled"], throttled_ns)

    def memory_limit_bytes(self) -> int | None:
        """How much memory it may have; None without a limit."""
        limit = self._text(UNIFIED, "memory.max") or self._text("memory", "memory.limit_in_bytes")
        return int(limit) if limit.isdecimal() and int(limit) < NO_LIMIT else None

    def oom_kills(self) -> int | None:
        """How often the kernel ended one of its processes for want of memory."""
        found = self._fields(UNIFIED, "memory.events") or self._fields("memory", "memory.oom_control")
        return found.get("oom_kill")

    def _disk(self) -> tuple[int | None, int | None]:
        """Bytes read from and written to all devices; None if the group does not count them."""
        if UNIFIED in self.folders and (Path(self.folders[UNIFIED]) / "io.stat").exists():
            words = [word.split("=") for word in self._text(UNIFIED, "io.stat").split() if "=" in word]
            return _sum(words, "rbytes"), _sum(words, "wbytes")
        # "8:0 Read 4096" for each device; a group that counts nothing says "Total 0" alone.
        lines = self._text("blkio", "blkio.throttle.io_service_bytes_recursive").splitlines()
        words = [line.split()[1:] for line in lines if len(line.split()) == 3]
        return (_sum(words, "Read"), _sum(words, "Write")) if words else (None, None)

    def _text(self, hierarchy: str, name: str) -> str:
        return _text(Path(self.folders[hierarchy]) / name).strip() if hierarchy in self.folders else ""

    def _fields(self, hierarchy: str, name: str) -> dict[str, int]:
        lines = (line.split() for line in self._text(hierarchy, name).splitlines())
        return {words[0]: int(words[1]) for words in lines if len(words) == 2}


def cgroup_of(pids: Collection[int], *, mount: Path = MOUNT, proc: Path = PROC) -> Cgroup | None:
    """
    The group that these processes have to themselves: a container's or a system service's. None if they have none.

    A group shared with whatever else its user started, such as a login session's, would tell of all of that.
    """
    found = [_folders(str(pid), mount, proc) for pid in pids]
    if not found or not found[0] or any(folders != found[0] for folders in found):
        return None
    if found[0] == _folders("self", mount, proc):
        return None  # where we run in a container ourselves, it tells of us, too
    return Cgroup(found[0], min(pids), proc)


def container_of(pid: int, *, proc: Path = PROC) -> str | None:
    """The id of the container that the process is in, as its group's path has it; None if there is none."""
    found = ID.search(_text(proc / str(pid) / "cgroup"))
    return found.group() if found else None


def _folders(pid: str, mount: Path, proc: Path) -> dict[str, str]:
    """The folders of the process's own group that are there, by hierarchy."""
    found: dict[str, str] = {}
    for line in _text(proc / pid / "cgroup").splitlines():
        _, names, path = line.split(":", 2)
        # What a container divides itself into lies below the group that has its limits.
        path = re.sub(f"({ID.pattern}[^/]*)/.*", r"\1", path)
        if not _is_of_one(path):
            continue
        for name in set(names.split(",")) & set(READ):
            places = (mount / names, mount / name) if name else (mount / "unified", mount)
            folders = [place / path.strip("/") for place in places]
            folder = next((one for one in folders if (one / "cgroup.procs").exists()), None)
            if folder is not None:
                found[name] = str(folder)
    return found


def _is_of_one(path: str) -> bool:
    last = path.rsplit("/", 1)[-1]
    contained = any(word in path for word in CONTAINERS)
    return contained or (last.endswith(".service") and not last.startswith("user@"))


def _sum(pairs: Collection[list[str]], name: str) -> int:
    return sum(int(value) for key, value in pairs if key == name)


def _network(proc: Path, pid: int) -> tuple[int | None, int | None]:
    """Bytes received and sent by all devices but loopback; None in the machine's own network, where all share them."""
    seen, ours = (dict(_devices(proc / name / "net" / "dev")) for name in (str(pid), "self"))
    try:
        own = (proc / str(pid) / "ns" / "net").readlink() != (proc / "self" / "ns" / "net").readlink()
    except OSError:
        # Another user's process: a network that has other devices than ours is another one.
        own = seen.keys() != ours.keys()
    if not own or not seen:
        return None, None
    passed = [moved for device, moved in seen.items() if device != "lo"]
    return sum(received for received, _ in passed), sum(sent for _, sent in passed)


def _devices(file: Path) -> list[tuple[str, tuple[int, int]]]:
    """What each device of a network received and sent."""
    lines = (line.partition(":") for line in _text(file).splitlines())
    found = [(name.strip(), rest.split()) for name, colon, rest in lines if colon]
    return [(name, (int(words[0]), int(words[8]))) for name, words in found]


def _text(file: Path) -> str:
    """What is in the file, nothing if it is gone or may not be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
