import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.collector import ANSWER_S, Sampler
from devperf_pipeline.measure.collector_process import Purpose
from devperf_pipeline.measure.service_processes import Target
from devperf_pipeline.model import ResourceReading
from devperf_pipeline_tests.measure.docker_server import ID, STATS, STATS_OF, DockerServer, answers

BUSY = "import time\nends = time.process_time() + 30\nwhile time.process_time() < ends: time.sleep(0.001)"

KILLED = """
import os, time
from devperf_pipeline.measure.collector import Sampler
from devperf_pipeline.measure.collector_process import Purpose
sampler = Sampler([], interval_s=0.1, cores=(), keep=lambda _: None)
sampler.begin(Purpose(phase="idle"))
forked = os.fork()
if forked == 0:
    os.close(1)
    os.close(2)
    time.sleep(60)
    os._exit(0)
print(sampler._child.pid, forked, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture(name="busy")
def _busy() -> Iterator[int]:
    """A process that works now and then."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    yield process.pid
    process.kill()
    process.wait()


def cpu_s(pid: int) -> float:
    """The CPU time that the system has counted of a process."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@pytest.fixture(name="start")
def _start() -> Iterator[Callable[..., tuple[Sampler, list[ResourceReading]]]]:
    started: list[Sampler] = []

    def start(*targets: Target, interval_s: float = 0.1) -> tuple[Sampler, list[ResourceReading]]:
        kept: list[ResourceReading] = []
        started.append(Sampler(targets, interval_s=interval_s, cores=(), keep=kept.extend))
        return started[-1], kept

    yield start
    for sampler in started:
        sampler.close()


Start = Callable[..., tuple[Sampler, list[ResourceReading]]]


class TestSampler:
    def test_sum_is_what_the_system_counted(self, start: Start, busy: int) -> None:
        """
        CPU of all readings, times what they cover, is what `cpu_times` says of the window: as much as from the answer
        to `begin` until `end` is said, and no more than around both.
        """
        sampler, kept = start(Target(name="busy", category="other", pids=(busy,)))
        used_s = [cpu_s(busy)]
        sampler.begin(Purpose(phase="load", benchmark="busy/work/sustained-2/engine", users=2))
        used_s.append(cpu_s(busy))
        time.sleep(2.0)
        used_s.append(cpu_s(busy))
        sampler.end()
        used_s.append(cpu_s(busy))
        found = [one for one in kept if one.service == "busy"]
        summed = sum((one.cpu_percent or 0) * one.elapsed_ns / 1e11 for one in found)

        # Ticks are 10 ms, and up to half an interval at the end is not read.
        assert used_s[2] - used_s[1] - 0.04 <= summed <= used_s[3] - used_s[0] + 0.04
        assert {("load", "busy/work/sustained-2/engine", 2)} == {
            (one.phase, one.benchmark, one.users) for one in found
        }

    def test_the_machine_and_we_ourselves_are_read(self, start: Start, busy: int) -> None:
        """Beside the stack: the whole machine, what of it is nobody's, what measures, and what reads."""
        sampler, kept = start(Target(name="busy", category="other", pids=(busy,)))
        sampler.begin(Purpose(phase="idle"))
        time.sleep(0.5)
        sampler.end()

        assert {"busy", "host", "others", "engine", "devperf"} == {one.service for one in kept}
        assert all(one.elapsed_ns > 0 and one.cpu_percent is not None for one in kept)
        assert 1 == len({one.at_ns for one in kept[:5]})

    def test_servers_of_ours_are_not_counted_as_ours_too(self, start: Start, busy: int) -> None:
        """A server that we started is our child, and its memory is its own row's alone."""
        counted: list[int | None] = []
        for known in ((), (Target(name="busy", category="other", pids=(busy,)),)):
            sampler, kept = start(*known)
            sampler.begin(Purpose(phase="idle"))
            time.sleep(0.3)
            sampler.end()
            sampler.close()
            counted.append(next(one.processes for one in kept if one.service == "engine"))

        assert counted[0] is not None
        assert counted[0] - 1 == counted[1]

    def test_a_container_is_not_counted_among_others(self, start: Start, tmp_path: Path) -> None:
        """What a container uses that its engine tells of is used on this machine, and not by others too."""
        path, known = tmp_path / "docker.sock", answers()

        def stats() -> dict[str, Any]:
            return STATS | {"cpu_stats": {"cpu_usage": {"total_usage": time.monotonic_ns()}}}

        known[f"/containers/{ID}/{STATS_OF}"] = stats
        with DockerServer(path, known):
            sampler, kept = start(
                Target(name="redis", category="caching", container=ID, docker=str(path)), interval_s=0.2
            )
            sampler.begin(Purpose(phase="idle"))
            time.sleep(0.5)
            sampler.end()
        looks = {one.at_ns for one in kept}
        found = [{one.service: one.cpu_percent or 0 for one in kept if one.at_ns == look} for look in looks]

        assert found
        for one in found:
            others, host = one.pop("others"), one.pop("host")
            assert one["redis"] > 50
            assert max(0, host - sum(one.values())) == pytest.approx(others, abs=0.02)

    def test_only_between_begin_and_end(self, start: Start, busy: int) -> None:
        """Whoever is asked for is read, in each window again, and nobody in between."""
        sampler, kept = start(Target(name="busy", category="other", pids=(busy,)))
        for users in (1, 2):
            began_ns = time.monotonic_ns()
            sampler.begin(Purpose(phase="held", users=users, only={"busy": f"busy/hello/held-{users}"}))
            time.sleep(0.25)
            sampler.end()
            lasted_ns = time.monotonic_ns() - began_ns
            time.sleep(0.3)

        assert {("busy", n, f"busy/hello/held-{n}") for n in (1, 2)} == {
            (one.service, one.users, one.benchmark) for one in kept
        }
        assert sum(one.elapsed_ns for one in kept if one.users == 2) <= lasted_ns

    def test_one_that_vanishes_ends_its_readings(self, start: Start) -> None:
        """Its readings end, the others go on."""
        process = subprocess.Popen([sys.executable, "-c", BUSY])
        sampler, kept = start(Target(name="gone", category="other", pids=(process.pid,)))
        for vanishes in (False, True):
            sampler.begin(Purpose(phase="idle"))
            if vanishes:
                process.kill()
                process.wait()
            time.sleep(0.15)
            sampler.end()
        last = {name: max(o.at_ns for o in kept if o.service == name) for name in ("gone", "host")}

        assert last["gone"] < last["host"]

    def test_it_ends_with_us(self, start: Start) -> None:
        """Nothing of it is left when its input ends, however that happens."""
        sampler, _ = start()
        sampler.begin(Purpose(phase="idle"))
        sampler.close()

        assert sampler._child.poll() is not None

    def test_it_ends_with_us_when_we_are_killed(self) -> None:
        """Also when a child that was forked from us holds its input open."""
        killed = subprocess.run([sys.executable, "-c", KILLED], check=False, capture_output=True, text=True)
        reading, forked = map(int, killed.stdout.split())
        try:
            ends = time.monotonic() + 30
            while psutil.pid_exists(reading) and time.monotonic() < ends:
                time.sleep(0.1)

            assert psutil.pid_exists(forked)
            assert not psutil.pid_exists(reading)
        finally:
            os.kill(forked, 9)

    def test_one_that_ends_in_the_middle_of_a_word_is_told(
        self, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Half a line is no reading, and nobody waits for the rest of it."""
        program = tmp_path / "half"
        program.write_text('#!/bin/sh\nread first\nprintf \'{"word": "began", "read\'\n')
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))
        sampler, kept = start()
        began = time.monotonic()

        with pytest.raises(MeasurementError, match="ended by itself"):
            sampler.begin(Purpose(phase="idle"))
        assert time.monotonic() - began < ANSWER_S / 2
        assert [] == kept

    def test_one_that_was_killed_is_told(self, start: Start) -> None:
        """The message says that readings end and the measurement goes on."""
        sampler, _ = start()
        sampler.begin(Purpose(phase="idle"))
        os.kill(sampler._child.pid, 9)
        with pytest.raises(MeasurementError, match="ended by itself"):
            sampler.end()
