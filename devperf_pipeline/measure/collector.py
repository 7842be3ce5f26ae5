"""
How is what everything uses read beside a measurement, without disturbing it?

By a process of its own, which lives as long as the run and reads only between `begin` and `end`.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from devperf_pipeline.errors import MeasurementError, StoreError
from devperf_pipeline.local.process import small_environment
from devperf_pipeline.measure.collector_process import Purpose
from devperf_pipeline.measure.containers import Containers
from devperf_pipeline.measure.service_processes import Target
from devperf_pipeline.model import ResourceReading

ANSWER_S = 20.0
"""A process that does not get to answer in so long on a busy machine never will."""

PACKAGE_ROOT = Path(__file__).parents[2]


class Collector:
    """
    Reads what everything that runs uses, while something is measured.

    Its process is started when it is first needed. Where readings cannot be had this is said, and what is measured
    meanwhile goes on.
    """

    def __init__(
        self,
        containers: Containers,
        *,
        cores: Collection[int],
        keep: Callable[[Sequence[ResourceReading]], None],
        say: Callable[[str], None],
    ) -> None:
        self._containers = containers
        self._cores, self._keep, self._say = cores, keep, say
        self.sampler: Sampler | None = None

    @contextmanager
    def watching(self, purpose: Purpose, interval_s: float) -> Iterator[None]:
        """
        Read and keep what everything uses while this lasts: every few seconds, and the rest before this returns.

        Raises a `StoreError` where readings could not be kept.
        """
        try:
            self._started(interval_s).begin(purpose)
        except MeasurementError as error:
            self._lost(error)
        try:
            yield
        finally:
            if self.sampler is not None:
                try:
                    self.sampler.end()
                except MeasurementError as error:
                    self._lost(error)

    def close(self) -> None:
        """End the process that reads, if it was started. Safe to call twice."""
        if self.sampler is not None:
            self.sampler.close()
            self.sampler = None

    def _started(self, interval_s: float) -> "Sampler":
        if self.sampler is None:
            for why in self._containers.unseen:
                self._say(why)
            self.sampler = Sampler(
                self._containers.targets, interval_s=interval_s, cores=self._cores, keep=self._keep
            )
        return self.sampler

    def _lost(self, error: MeasurementError) -> None:
        self._say(str(error))
        self.close()


class Sampler:
    """
    The process that reads, and the thread that hands on what it read, some seconds' worth at a time.

    `keep` is called from that thread. `cores` are those that it may run on (all if empty). Where the process does not
    answer, a `MeasurementError` says so.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        interval_s: float,
        cores: Collection[int],
        keep: Callable[[Sequence[ResourceReading]], None],
    ) -> None:
        self._keep = keep
        self._words: SimpleQueue[str] = SimpleQueue()
        self._failed: StoreError | None = None
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "devperf_pipeline.measure.collector_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A session of its own: Ctrl-C in our terminal ends us, and then our end ends it.
            start_new_session=True,
            env=small_environment({"PYTHONPATH": str(PACKAGE_ROOT)}),
        )
        self._thread = threading.Thread(target=self._receive, name="readings", daemon=True)
        self._thread.start()
        self._send({"targets": [*map(asdict, targets)], "interval_s": interval_s, "cores": sorted(cores)})

    def begin(self, purpose: Purpose) -> None:
        """Read from now on; returns after the first look, from which the first reading counts."""
        self._order({"word": "begin", "purpose": asdict(purpose)}, "began")

    def end(self) -> None:
        """Read no more; returns when every reading is kept, and raises a `StoreError` where one could not be."""
        self._order({"word": "end"}, "ended")
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        """End the process. Safe to call twice."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        with suppress(BrokenPipeError):  # it has ended already
            self._child.stdin.close()
        try:
            self._child.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._thread.join()
        self._child.stdout.close()
        self._child.stderr.close()

    def _order(self, order: dict[str, Any], expected: str) -> None:
        self._send(order)
        try:
            while (word := self._words.get(timeout=ANSWER_S)) != expected:
                if word == "gone":
                    raise self._lost("that it ended by itself")
        except Empty:
            raise self._lost(f"no answer in {ANSWER_S:.0f} s") from None

    def _send(self, order: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise self._lost("that it ended by itself") from error

    def _receive(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if not line.endswith(b"\n"):
                break  # it ended in the middle of a word
            found: dict[str, Any] = json.loads(line)
            readings = [ResourceReading(**reading) for reading in found["readings"]]
            try:
                if readings:
                    self._keep(readings)
            except StoreError as error:
                self._failed = error
            self._words.put(found["word"])
        self._words.put("gone")

    def _lost(self, found: str) -> MeasurementError:
        said = ""
        if self._child.poll() is not None and self._child.stderr is not None:
            lines = self._child.stderr.read().decode(errors="replace").strip().splitlines()
            said = f" ({lines[-1]})" if lines else ""
        return MeasurementError(
            f"Expected the process that reads the use of resources to answer, found {found}{said}. "
            "What is read of resources ends here; the measurement itself goes on."
        )
