from pathlib import Path

import pytest

from devperf_pipeline.measure.cgroup import Cgroup, cgroup_of
from devperf_pipeline.measure.process_tree import Use

DOCKER = "/system.slice/docker-0123456789abcdef.scope"

USE = Use(
    cpu_s=1.0,
    rss_bytes=10,
    pss_bytes=9,
    vsz_bytes=100,
    processes=1,
    threads=2,
    read_bytes=5,
    written_bytes=6,
)


@pytest.fixture(name="proc")
def _proc(tmp_path: Path) -> Path:
    """What /proc says of process 7, in a network of its own, as the kernel's documentation writes it."""
    proc = tmp_path / "proc"
    for name, network in (("7", "net:[4026532281]"), ("self", "net:[4026531840]")):
        (proc / name / "ns").mkdir(parents=True)
        (proc / name / "ns" / "net").symlink_to(network)
    (proc / "7" / "net").mkdir()
    (proc / "7" / "net" / "dev").write_text(
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n"
        "    lo:    9999      10    0    0    0     0          0         0     9999      10    0    0\n"
        "  eth0:    1500      11    0    0    0     0          0         0      700       7    0    0\n"
    )
    (proc / "7" / "cgroup").write_text(f"0::{DOCKER}\n")
    return proc


@pytest.fixture(name="mount")
def _mount(tmp_path: Path) -> Path:
    """A container's group with a group below it, as the kernel's documentation writes them."""
    mount = tmp_path / "cgroup"
    folder = mount / DOCKER.strip("/")
    (folder / "below").mkdir(parents=True)
    (folder / "cgroup.procs").write_text("7\n8\n")
    (folder / "below" / "cgroup.procs").write_text("9\n")
    (folder / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n")
    (folder / "io.stat").write_text(
        "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n"
        "8:0 rbytes=100 wbytes=200 rios=1 wios=1 dbytes=0 dios=0\n"
    )
    (folder / "memory.max").write_text("268435456\n")
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n")
    return mount


class TestCgroup:
    def test_of_a_container(self, mount: Path, proc: Path) -> None:
        """Everybody inside belongs to it, and it knows CPU, disk, network, limit and OOM kills."""
        group = cgroup_of([7], mount=mount, proc=proc)
        assert group is not None
        found = group.refine(USE)

        assert {7, 8, 9} == group.members()
        assert (2.5, 1_459_300, 314_773_704) == (found.cpu_s, found.read_bytes, found.written_bytes)
        assert (1500, 700, 268_435_456, 2) == (
            found.received_bytes,
            found.sent_bytes,
            found.limit_bytes,
            found.oom_kills,
        )
        assert (10, 9, 100) == (found.rss_bytes, found.pss_bytes, found.vsz_bytes)

    def test_without_limit_or_controllers(self, mount: Path, proc: Path) -> None:
        """What the group does not count is the processes' own figure, or unknown, never 0."""
        folder = mount / DOCKER.strip("/")
        for name in ("cpu.stat", "io.stat", "memory.events"):
            (folder / name).unlink()
        (folder / "memory.max").write_text("max\n")
        (proc / "7" / "ns" / "net").unlink()
        found = Cgroup(folder, 7, proc).refine(USE)

        assert USE == found

    @pytest.mark.parametrize(
        "path",
        ["/", "/user.slice/user-1000.slice/session-3.scope", "/user.slice/user@1000.service"],
    )
    def test_a_shared_group_is_nobodys_own(self, mount: Path, proc: Path, path: str) -> None:
        """A login session holds whatever its user started: it says nothing of one service."""
        (proc / "7" / "cgroup").write_text(f"0::{path}\n")
        folder = mount / path.strip("/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").write_text("7\n")

        assert None is cgroup_of([7], mount=mount, proc=proc)

    def test_one_that_is_gone_has_no_members(self, mount: Path) -> None:
        """A container that was removed is no error."""
        assert set() == Cgroup(mount / "gone", 7).members()
