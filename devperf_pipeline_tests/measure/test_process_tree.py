import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from devperf_pipeline.measure.process_tree import ProcessTree, Use, parents

MIB = 2**20

WORKER = """
import os, subprocess, sys, time
kept = []
children = []
for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    if word == "take":
        kept.append(b"x" * (int(rest) * 2**20))
    elif word == "burn":
        ends = time.process_time() + float(rest)
        while time.process_time() < ends:
            pass
    elif word == "write":
        with open(rest, "wb") as file:
            file.write(b"x" * 2**20)
            file.flush()
            os.fsync(file.fileno())
    elif word == "child":
        children.append(subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[1]],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        print(children[-1].pid, flush=True)
    elif word == "tell":
        children[-1].stdin.write(rest + "\\n")
        children[-1].stdin.flush()
        children[-1].stdout.readline()
    elif word == "end":
        children[-1].stdin.close()
        children[-1].wait()
    print("done", flush=True)
"""


class Worker:
    """A Python process that does what it is told, and children of it that do the same."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._say, self._hear = self.process.stdin, self.process.stdout
        self.tree = ProcessTree([self.process.pid])

    def do(self, order: str) -> str:
        self._say.write(order + "\n")
        self._say.flush()
        first = self._hear.readline().strip()
        return first if first == "done" else first + self._hear.readline()[:0]

    def look(self, *, walk: bool = True) -> Use | None:
        return self.tree.look(self.tree.members(parents()), walk=walk)

    def see(self) -> Use:
        found = self.look()
        assert found is not None
        return found

    def close(self) -> None:
        self._say.close()
        self.process.wait()
        self._hear.close()


@contextmanager
def working() -> Iterator[Worker]:
    worker = Worker()
    try:
        worker.do("take 0")
        yield worker
    finally:
        worker.close()


class TestMemory:
    def test_known_amount_is_right(self) -> None:
        """64 MiB more are 64 MiB more, within 1 MiB, in RSS as in PSS."""
        with working() as worker:
            before = worker.see()
            worker.do("take 64")
            after = worker.see()

        assert before.rss_bytes is not None
        assert after.rss_bytes is not None
        assert before.pss_bytes is not None
        assert after.pss_bytes is not None
        assert after.rss_bytes - before.rss_bytes == pytest.approx(64 * MIB, abs=MIB)
        assert after.pss_bytes - before.pss_bytes == pytest.approx(64 * MIB, abs=MIB)

    def test_shared_pages_are_not_counted_twice_in_pss(self) -> None:
        """Of two processes of one program the PSS is less than the RSS."""
        with working() as worker:
            worker.do("child")
            found = worker.see()

        assert found.rss_bytes is not None
        assert found.pss_bytes is not None
        assert found.pss_bytes < found.rss_bytes

    def test_without_a_walk_it_is_as_it_was(self) -> None:
        """What is occupied is told as at the last walk, and a process that is new is told at once."""
        with working() as worker:
            before = worker.see()
            worker.do("take 64")
            same = worker.look(walk=False)
            worker.do("child")
            more = worker.look(walk=False)

        assert same is not None
        assert more is not None
        assert before.rss_bytes == same.rss_bytes
        assert (1, 2) == (same.processes, more.processes)


class TestChildren:
    def test_child_in_the_middle_is_counted_from_then_on(self) -> None:
        """Its memory is there while it lives, and its CPU from its birth on."""
        with working() as worker:
            before = worker.see()
            worker.do("child")
            worker.do("tell take 32")
            worker.do("tell burn 0.3")
            after = worker.see()

        assert (1, 2) == (before.processes, after.processes)
        assert before.rss_bytes is not None
        assert after.rss_bytes is not None
        assert after.rss_bytes - before.rss_bytes > 32 * MIB
        assert before.cpu_s is not None
        assert after.cpu_s is not None
        assert after.cpu_s - before.cpu_s >= 0.29

    def test_cpu_of_one_that_ended_stays_counted_once(self) -> None:
        """Seen or not seen before it ended, the sum is what the whole tree used, as the system's own counters say."""
        with working() as worker:
            worker.see()
            for _ in range(2):
                worker.do("child")
                worker.do("tell burn 0.2")
                worker.see()
                worker.do("tell burn 0.1")
                worker.do("end")
                worker.see()
            worker.do("child")
            worker.do("tell burn 0.2")
            worker.do("end")
            last = worker.see()
            times = psutil.Process(worker.process.pid).cpu_times()

        assert last.cpu_s == pytest.approx(sum(times[:4]), abs=0.05)
        assert last.cpu_s is not None
        assert last.cpu_s >= 0.79

    def test_grandchildren_that_end_together_are_counted_once(self) -> None:
        """A child that ends with its own child takes nothing along."""
        with working() as worker:
            worker.do("child")
            worker.do("tell child")
            worker.do("tell tell burn 0.3")
            seen = worker.see()
            worker.do("tell end")
            worker.do("end")
            last = worker.see()
            times = psutil.Process(worker.process.pid).cpu_times()

        assert (3, 1) == (seen.processes, last.processes)
        assert last.cpu_s == pytest.approx(sum(times[:4]), abs=0.05)

    def test_an_orphan_still_belongs(self) -> None:
        """A process whose parent ended is another's child by then, and still the service's."""
        with working() as worker:
            worker.do("child")
            pid = next(child.pid for child in psutil.Process(worker.process.pid).children())
            worker.see()
            os.kill(pid, signal.SIGSTOP)  # its orders end with its parent, and with them it would
            os.kill(worker.process.pid, 9)
            worker.process.wait()
            found = worker.look()
            os.kill(pid, 9)

        assert found is not None
        assert 1 == found.processes


class TestVanishing:
    def test_one_that_vanished_is_no_error(self) -> None:
        """A tree without a living process has no use; nothing is raised."""
        with working() as worker:
            worker.see()
            members = worker.tree.members(parents())
        found = worker.tree.look(members)

        assert found is None

    def test_one_that_nobody_waits_for_uses_no_memory(self) -> None:
        """A zombie has CPU that was used, and neither memory nor threads."""
        with working() as worker:
            process = psutil.Process(worker.process.pid)
            os.kill(worker.process.pid, 9)
            while process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
            found = worker.look()

        assert found is None


class TestDisk:
    def test_written_bytes_are_counted(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """A megabyte that was forced to disk is at least a megabyte of writing, and stays counted when its writer ended."""
        folder = tmp_path_factory.mktemp("written")
        with working() as worker:
            before = worker.see()
            worker.do("child")
            worker.see()
            worker.do(f"tell write {folder / 'file'}")
            worker.do("end")
            after = worker.see()
        on_disk = psutil.disk_partitions(all=True)
        kinds = {part.mountpoint: part.fstype for part in on_disk}
        mount = next(str(p) for p in (folder, *folder.parents) if str(p) in kinds)

        assert before.written_bytes is not None
        assert after.written_bytes is not None
        assert kinds[mount] == "tmpfs" or after.written_bytes - before.written_bytes >= MIB
