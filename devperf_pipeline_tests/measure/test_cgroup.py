from pathlib import Path

import pytest

from devperf_pipeline.measure.cgroup import Cgroup, cgroup_of, container_of
from devperf_pipeline.measure.process_tree import Use
from devperf_pipeline.model import Throttling

ID = "df67cd45b0a7081af81ef5214cfcb4e91b860a16d8bfdca3aa8a2427e8532638"
DOCKER = f"/system.slice/docker-{ID}.scope"
PODMAN = f"/libpod_parent/libpod-{ID}"

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

DEVICES = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n"
    "    lo:    9999      10    0    0    0     0          0         0     9999      10    0    0\n"
    "  eth0:    1500      11    0    0    0     0          0         0      700       7    0    0\n"
)

HYBRID = {
    "cgroup.procs": "7\n8\n",
    "cpu/cpu.stat": "nr_periods 80\nnr_throttled 73\nthrottled_time 4798130205\nnr_bursts 0\nburst_time 0\n",
    "cpu/cpu.cfs_quota_us": "10000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "cpuacct/cpuacct.usage": "766788594\n",
    "memory/memory.limit_in_bytes": "134217728\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "blkio/blkio.throttle.io_service_bytes_recursive": "Total 0\n",
    "unified/cpu.stat": "usage_usec 766516\nuser_usec 248736\nsystem_usec 517779\nnice_usec 0\n",
    "unified/cpu.stat.local": "",
}
"""What a Redis under podman with 0.1 CPUs had, by file of each hierarchy, on a machine with both versions."""


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture(name="proc")
def _proc(tmp_path: Path) -> Path:
    """What /proc says of process 7, in a network of its own, as the kernel's documentation writes it."""
    proc = tmp_path / "proc"
    for name, network in (("7", "net:[4026532281]"), ("self", "net:[4026531840]")):
        (proc / name / "ns").mkdir(parents=True)
        (proc / name / "ns" / "net").symlink_to(network)
        write(proc, f"{name}/net/dev", DEVICES)
    write(proc, "7/cgroup", f"0::{DOCKER}\n")
    return proc


@pytest.fixture(name="mount")
def _mount(tmp_path: Path) -> Path:
    """A container's group with a group below it, as the kernel's documentation writes them."""
    mount = tmp_path / "cgroup"
    folder = mount / DOCKER.strip("/")
    write(folder, "cgroup.procs", "7\n8\n")
    write(folder, "below/cgroup.procs", "9\n")
    write(
        folder,
        "cpu.stat",
        "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n"
        "nr_periods 671\nnr_throttled 226\nthrottled_usec 10500000\n",
    )
    write(folder, "cpu.max", "75000 100000\n")
    write(
        folder,
        "io.stat",
        "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n"
        "8:0 rbytes=100 wbytes=200 rios=1 wios=1 dbytes=0 dios=0\n",
    )
    write(folder, "memory.max", "268435456\n")
    write(folder, "memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n")
    return mount


@pytest.fixture(name="hybrid")
def _hybrid(tmp_path: Path, proc: Path) -> Path:
    """The mounts of both versions, with the group that podman made, and what /proc says of its process."""
    mount = tmp_path / "sys"
    lines = ["9:name=systemd:/"]
    for number, name in enumerate(("cpu", "cpuacct", "memory", "blkio"), start=1):
        write(mount, f"{name}{PODMAN}/cgroup.procs", HYBRID["cgroup.procs"])
        lines.append(f"{number}:{name}:{PODMAN}")
    write(mount, f"unified{PODMAN}/cgroup.procs", HYBRID["cgroup.procs"])
    for name, text in HYBRID.items():
        hierarchy, _, file = name.partition("/")
        if file:
            write(mount, f"{hierarchy}{PODMAN}/{file}", text)
    write(proc, "7/cgroup", "\n".join([*lines, f"0::{PODMAN}"]) + "\n")
    return mount


class TestVersion2:
    def test_of_a_container(self, mount: Path, proc: Path) -> None:
        """Everybody inside belongs to it, and it knows CPU, disk, network, limits and what came of them."""
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
        assert (0.75, Throttling(671, 226, 10_500_000_000)) == (group.cpu_limit(), group.throttling())

    def test_without_limit_or_controllers(self, mount: Path, proc: Path) -> None:
        """What the group does not count is the processes' own figure, or unknown, never 0."""
        folder = mount / DOCKER.strip("/")
        for name in ("cpu.stat", "io.stat", "memory.events"):
            (folder / name).unlink()
        (folder / "memory.max").write_text("max\n")
        (folder / "cpu.max").write_text("max 100000\n")
        (proc / "7" / "ns" / "net").unlink()
        group = Cgroup({"": str(folder)}, 7, proc)

        assert USE == group.refine(USE)
        assert (None, None) == (group.cpu_limit(), group.throttling())

    def test_what_a_container_divides_itself_into(self, mount: Path, proc: Path) -> None:
        """The limits are those of the container's group, wherever below it its first process is."""
        (proc / "7" / "cgroup").write_text(f"0::{DOCKER}/below\n")
        group = cgroup_of([7], mount=mount, proc=proc)

        assert group is not None
        assert {7, 8, 9} == group.members()

    @pytest.mark.parametrize(
        "path",
        ["/", "/user.slice/user-1000.slice/session-3.scope", "/user.slice/user@1000.service"],
    )
    def test_a_shared_group_is_nobodys_own(self, mount: Path, proc: Path, path: str) -> None:
        """A login session holds whatever its user started: it says nothing of one service."""
        (proc / "7" / "cgroup").write_text(f"0::{path}\n")
        write(mount / path.strip("/"), "cgroup.procs", "7\n")

        assert None is cgroup_of([7], mount=mount, proc=proc)

    def test_the_container_that_we_are_in(self, mount: Path, proc: Path) -> None:
        """Where we run beside the servers in one container, its group tells of us as well."""
        write(proc, "self/cgroup", f"0::{DOCKER}\n")

        assert None is cgroup_of([7], mount=mount, proc=proc)

    def test_one_that_is_gone_has_no_members(self, mount: Path) -> None:
        """A container that was removed is no error."""
        assert set() == Cgroup({"": str(mount / "gone")}, 7).members()


class TestBothVersions:
    def test_of_a_container(self, hybrid: Path, proc: Path) -> None:
        """Each figure is read in the hierarchy that counts it; what none counts is the processes' own figure."""
        group = cgroup_of([7], mount=hybrid, proc=proc)
        assert group is not None
        found = group.refine(USE)

        assert {7, 8} == group.members()
        assert (0.766788594, 134_217_728, 1) == (found.cpu_s, found.limit_bytes, found.oom_kills)
        assert (5, 6) == (found.read_bytes, found.written_bytes)
        assert (0.1, Throttling(80, 73, 4_798_130_205)) == (group.cpu_limit(), group.throttling())

    def test_controllers_mounted_together(self, hybrid: Path, proc: Path) -> None:
        """Most systems have cpu and cpuacct in one hierarchy, and network controllers beside."""
        (hybrid / "cpu").rename(hybrid / "cpu,cpuacct")
        write(hybrid, f"cpu,cpuacct{PODMAN}/cpuacct.usage", "5000000000\n")
        (proc / "7" / "cgroup").write_text(f"4:cpu,cpuacct:{PODMAN}\n2:memory:{PODMAN}\n")
        group = cgroup_of([7], mount=hybrid, proc=proc)

        assert group is not None
        assert (5.0, 0.1) == (group.cpu_s(), group.cpu_limit())

    def test_no_limits(self, hybrid: Path, proc: Path) -> None:
        """Version 1 writes no limit as -1, and as the largest number of bytes there is."""
        write(hybrid, f"cpu{PODMAN}/cpu.cfs_quota_us", "-1\n")
        write(hybrid, f"memory{PODMAN}/memory.limit_in_bytes", "9223372036854771712\n")
        group = cgroup_of([7], mount=hybrid, proc=proc)

        assert group is not None
        assert (None, None) == (group.cpu_limit(), group.memory_limit_bytes())

    def test_bytes_of_its_disks(self, hybrid: Path, proc: Path) -> None:
        """Of every device, where the group counts them."""
        write(
            hybrid,
            f"blkio{PODMAN}/blkio.throttle.io_service_bytes_recursive",
            "8:0 Read 4096\n8:0 Write 100\n8:0 Total 4196\n8:16 Read 4\n8:16 Write 0\nTotal 4200\n",
        )
        group = cgroup_of([7], mount=hybrid, proc=proc)
        assert group is not None
        found = group.refine(USE)

        assert (4100, 100) == (found.read_bytes, found.written_bytes)


class TestNetwork:
    def test_of_another_users_container(self, mount: Path, proc: Path) -> None:
        """Where its namespace may not be asked for, other devices than ours tell that it has a network of its own."""
        (proc / "7" / "ns" / "net").unlink()
        write(proc, "self/net/dev", DEVICES + "podman1:  5  1 0 0 0 0 0 0  5 1 0 0 0 0 0 0\n")
        group = cgroup_of([7], mount=mount, proc=proc)
        assert group is not None
        found = group.refine(USE)

        assert (1500, 700) == (found.received_bytes, found.sent_bytes)


class TestContainerOf:
    def test_by_the_path_of_its_group(self, hybrid: Path, proc: Path) -> None:
        """The id is in it; a process outside of containers has none."""
        write(proc, "8/cgroup", "0::/user.slice/user-1000.slice/session-3.scope\n")

        assert (ID, None) == (container_of(7, proc=proc), container_of(8, proc=proc))
