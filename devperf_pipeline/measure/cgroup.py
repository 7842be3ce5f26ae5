"""What does the kernel say of a control group (version 2): who is in it, what it used, what it may use?"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from devperf_pipeline.measure.process_tree import Use

MOUNT = Path("/sys/fs/cgroup")
PROC = Path("/proc")

CONTAINERS = ("docker", "libpod", "containerd", "crio", "kubepods", "lxc")
"""Words in the paths of groups that container managers make."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One group, by its folder; `pid` is a process inside, through which its network is seen."""

    folder: Path
    pid: int
    proc: Path = PROC

    def members(self) -> set[int]:
        """Every process in it and in the groups below; none if it is gone."""
        found: set[int] = set()
        for file in self.folder.rglob("cgroup.procs"):
            found |= {int(line) for line in _text(file).split()}
        return found

    def refine(self, use: Use) -> Use:
        """
        What its processes use, with what the group itself knows better: all CPU and disk that was ever used in it,
        network, the limit and what came of it.
        """
        cpu_us = _fields(self.folder / "cpu.stat").get("usage_usec")
        read, written = _disk(self.folder / "io.stat")
        received, sent = _network(self.proc, self.pid)
        limit = _text(self.folder / "memory.max").strip()
        return replace(
            use,
            cpu_s=use.cpu_s if cpu_us is None else cpu_us / 1e6,
            read_bytes=use.read_bytes if read is None else read,
            written_bytes=use.written_bytes if written is None else written,
            received_bytes=received,
            sent_bytes=sent,
            limit_bytes=int(limit) if limit.isdecimal() else None,
            oom_kills=_fields(self.folder / "memory.events").get("oom_kill"),
        )


def cgroup_of(pids: Collection[int], *, mount: Path = MOUNT, proc: Path = PROC) -> Cgroup | None:
    """
    The group that these processes have to themselves: a container's or a system service's. None if they have none.

    A group shared with whatever else its user started, such as a login session's, would tell of all of that.
    """
    paths = {_path_of(pid, proc) for pid in pids}
    path = paths.pop() if len(paths) == 1 else None
    if path is None or not _is_of_one(path):
        return None
    folder = mount / path.strip("/")
    return Cgroup(folder, min(pids), proc) if (folder / "cgroup.procs").exists() else None


def _path_of(pid: int, proc: Path) -> str | None:
    lines = _text(proc / str(pid) / "cgroup").splitlines()
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)


def _is_of_one(path: str) -> bool:
    last = path.rsplit("/", 1)[-1]
    contained = any(word in path for word in CONTAINERS)
    return contained or (last.endswith(".service") and not last.startswith("user@"))


def _disk(file: Path) -> tuple[int | None, int | None]:
    """Bytes read from and written to all devices; None if the group does not count them."""
    if not file.exists():
        return None, None
    words = [word.split("=") for word in _text(file).split() if "=" in word]
    return tuple(sum(int(value) for key, value in words if key == name) for name in ("rbytes", "wbytes"))  # type: ignore[return-value]


def _network(proc: Path, pid: int) -> tuple[int | None, int | None]:
    """Bytes received and sent by all devices but loopback; None in the machine's own network, where all share them."""
    try:
        own = (proc / str(pid) / "ns" / "net").readlink() != (proc / "self" / "ns" / "net").readlink()
    except OSError:
        own = False
    if not own:
        return None, None
    received = sent = 0
    for line in _text(proc / str(pid) / "net" / "dev").splitlines():
        device, colon, rest = line.partition(":")
        if colon and device.strip() != "lo":
            words = rest.split()
            received, sent = received + int(words[0]), sent + int(words[8])
    return received, sent


def _fields(file: Path) -> dict[str, int]:
    lines = (line.split() for line in _text(file).splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) == 2}


def _text(file: Path) -> str:
    """What is in the file, nothing if it is gone or may not be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
