"""
How is one round of one benchmark measured?

Users are connected once for a run and kept; a round puts the data in its state, prepares the calls, warms up,
measures, and looks whether sampled answers were right.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.measure.cpu_affinity import LoadGate, Placement
from devperf_pipeline.measure.engine import (
    CALL_DEADLINE_S,
    Slice,
    User,
    Verify,
    drive_one,
    driver_of,
    first_wrong,
)
from devperf_pipeline.measure.engine_processes import drive_shared
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.measure.steady_state import BLOCK_CALLS, BLOCK_S, Steadiness
from devperf_pipeline.measure.steps import BenchmarkStep
from devperf_pipeline.model import TOLERATED_FAILURES, Outcome, Phase, Round, SustainedLoad, Throttling
from devperf_pipeline.services.operation import Connection, Driver

LONGEST_STRETCH_S = 1.0
"""So long a round goes on that has fewer calls than it needs: they are slower than was planned with."""

Drive = Callable[[float, int | None, int], Slice]
"""Makes the prepared calls of all users, for so many seconds or calls, by so many engine processes."""


@dataclass(slots=True)
class _Prepared:
    """Calls that are ready to be made: how to drive them, and how to tell what is wrong with a kept reply."""

    drive: Drive
    verify: Verify


class Measurer:
    """Measures rounds: keeps the users' connections, the rates seen so far, and which benchmarks are warm."""

    def __init__(
        self, placement: Placement, throttling: Callable[[str], Throttling | None] = lambda _: None
    ) -> None:
        """`throttling` says what the CPU limits of a service did so far; None where it has none."""
        self._placement, self._throttling = placement, throttling
        self._recorder = Recorder()
        self._users: dict[tuple[str, str, Callable[[], Connection] | None], list[Connection]] = {}
        self._rates: dict[str, float] = {}
        self.client_share: float | None = None
        """The share of one core that this process used in the last measured slice."""

    def measure(
        self,
        step: BenchmarkStep,
        number: int,
        engines: int = 1,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> list[Round]:
        """
        One round, with the warm-up that came before it. What fails ends in a round that says why.

        A sustained load is driven by so many `engines` (engine processes); what the client used is kept with it.
        `around` is entered when everything is warm, and left when the last call has ended.
        """
        window = _window(step, engines)
        # A sweep of users is one curve: its first point is placed as the others are.
        users = max(2, step.benchmark.load.users) if window else step.benchmark.load.users
        placement = self._placement.choose(users, engines)
        began = time.time_ns()
        rounds: list[Round] = []

        def ended(
            phase: Phase,
            piece: Slice,
            problem: str | None,
            other_cpu: float | None = None,
            throttling: Throttling | None = None,
        ) -> Round:
            begin_ns, latency_ns, outcome = self._recorder.copy()
            self._recorder.clear()
            return Round(
                benchmark=step.benchmark,
                number=number,
                phase=phase,
                began_at_ns=began,
                elapsed_ns=piece.elapsed_ns,
                begin_ns=begin_ns,
                latency_ns=latency_ns,
                outcome=outcome,
                placement=placement,
                other_cpu=other_cpu,
                throttling=throttling,
                problem=problem,
                sustained=window if phase == "measured" else None,
            )

        self._recorder.clear()
        piece = Slice()
        try:
            prepared, warm = self._warm(step)
            rounds.append(ended("warmup", warm, warm.problem))
            began = time.time_ns()
            if warm.broken:
                # A late answer to the warm-up's last call would be taken for the answer to the first one measured.
                self.disconnect(step.benchmark.service)
                return [*rounds, ended("measured", piece, f"the warm-up ended early: {warm.problem}")]
            gate = LoadGate(self._placement)
            with around():
                stopped = self._throttling(step.benchmark.service)
                began = time.time_ns()
                gate.begin()
                used_ns = time.process_time_ns()
                if window:
                    piece = prepared.drive(window.limit_s, window.limit_calls, engines)
                    window = _as_driven(window, piece, gate.idle_cores(piece.elapsed_ns))
                elif step.paced_calls:
                    piece = prepared.drive(step.paced_calls * CALL_DEADLINE_S, step.paced_calls, 1)
                else:
                    piece = prepared.drive(step.seconds, None, 1)
                    missing = step.least_calls - self._recorder.length
                    if missing > 0 and piece.problem is None:
                        piece.join(prepared.drive(LONGEST_STRETCH_S, missing, 1))
                used_ns = time.process_time_ns() - used_ns
                other_cpu = gate.end(piece.elapsed_ns, sum(piece.cpu_ns) if engines > 1 else 0)
                throttling = _between(stopped, self._throttling(step.benchmark.service))
            if piece.elapsed_ns:
                self._rates[step.benchmark.id] = self._recorder.length / piece.elapsed_ns * 1e9
                self.client_share = used_ns / piece.elapsed_ns
            problem = (
                piece.problem
                or first_wrong(piece, prepared.verify)
                or _refusal(piece, prepared, self._recorder.outcome[: self._recorder.length])
            )
            if piece.broken:
                self.disconnect(step.benchmark.service)
            rounds.append(ended("measured", piece, problem, other_cpu, throttling))
        except (ServiceError, OSError, *step.session.exceptions) as error:
            self.disconnect(step.benchmark.service)
            if not rounds:
                rounds.append(ended("warmup", piece, None))  # its calls are no measured ones
            rounds.append(ended("measured", piece, f"{type(error).__name__}: {error}"))
        return rounds

    def disconnect(self, service: str | None = None) -> None:
        """Close the users of one service, or of all; the next round connects again."""
        for key in [key for key in self._users if service in {None, key[0]}]:
            for connection in self._users.pop(key):
                connection.close()

    def _warm(self, step: BenchmarkStep) -> tuple[_Prepared, Slice]:
        """Prepare the calls and warm up: until steady the first time, one block in later rounds."""
        benchmark, users = step.benchmark, step.benchmark.load.users
        rate = self._rates.get(benchmark.id)
        first_time = rate is None
        total = Slice()
        if step.paced_calls:
            prepared = self._prepare(step, step.prepared(rate))
            if first_time:
                self._block(prepared, total, 1)
            return prepared, total
        if first_time:
            prepared = self._prepare(step, step.prepared(None))
            give_up = time.monotonic() + step.warmup_s
            steadiness = Steadiness()
            while time.monotonic() < give_up:
                latencies = self._block(prepared, total, BLOCK_CALLS)
                if total.broken or not len(latencies) or steadiness.add(latencies):
                    break
            if not step.operation.finite or total.problem:
                return prepared, total
            rate = self._recorder.length / max(total.elapsed_ns, 1) * 1e9
        size = step.prepared(rate)
        prepared = self._prepare(step, size)
        calls = max(users, BLOCK_CALLS // 4) if first_time else BLOCK_CALLS
        if step.operation.finite:
            # The service may answer faster than when its rate was seen: most of what it consumes is the round's.
            calls = min(calls, users * size // 3)
        self._block(prepared, total, calls)
        return prepared, total

    def _block(self, prepared: _Prepared, total: Slice, calls: int) -> Sequence[int]:
        """Make a block of calls and add it to the warm-up; returns their latencies."""
        before = self._recorder.length
        piece = prepared.drive(BLOCK_S, calls, 1)
        total.elapsed_ns += piece.elapsed_ns
        total.problem, total.broken = piece.problem, piece.broken
        return self._recorder.latency_ns[before : self._recorder.length]

    def _prepare(self, step: BenchmarkStep, size: int) -> _Prepared:
        operation, users = step.operation, step.benchmark.load.users
        connections = self._connections(step)
        if operation.reset is not None:
            operation.reset(users, size)
        if step.benchmark.instrument == "engine":
            assert operation.wire is not None
            wires = [operation.wire(connections[user], user, size) for user in range(users)]
            if users > 1:
                many = [User(wire, finite=operation.finite) for wire in wires]

                def drive(seconds: float, calls: int | None, processes: int) -> Slice:
                    return drive_shared(
                        many,
                        self._recorder,
                        seconds=seconds,
                        calls=calls,
                        processes=min(processes, users),
                        verify=_verify_one_of_many,
                    )

                return _Prepared(drive, _verify_one_of_many)
            return self._one(driver_of(wires[0], finite=operation.finite))
        assert operation.driver is not None
        return self._one(operation.driver(connections[0], 0, size))

    def _one(self, driver: Driver) -> _Prepared:
        made = 0

        def drive(seconds: float, calls: int | None, processes: int) -> Slice:
            nonlocal made
            assert processes == 1
            before = self._recorder.length
            piece = drive_one(driver, self._recorder, seconds=seconds, first=made, calls=calls)
            made += self._recorder.length - before
            return piece

        return _Prepared(drive, driver.verify)

    def _connections(self, step: BenchmarkStep) -> list[Connection]:
        own = step.operation.connect
        kept = self._users.setdefault((step.benchmark.service, step.benchmark.instrument, own), [])
        while len(kept) < step.benchmark.load.users:
            kept.append(own() if own else step.session.connect())
        return kept


def _between(before: Throttling | None, after: Throttling | None) -> Throttling | None:
    """What was counted between two moments; None where a container began in between."""
    if before is None or after is None or after.periods < before.periods:
        return None
    return after - before


def _verify_one_of_many(kept: Any) -> str | None:
    """What is wrong with a reply that was kept with the calls it belongs to."""
    wire, replies = kept
    return wire.verify(replies)


def _window(step: BenchmarkStep, engines: int) -> SustainedLoad | None:
    """How a sustained load is driven; None for other loads."""
    if step.limit_calls is None:
        return None
    return SustainedLoad(limit_calls=step.limit_calls, limit_s=step.seconds, engine_processes=engines)


def _as_driven(window: SustainedLoad, piece: Slice, idle_cores: float | None) -> SustainedLoad:
    """The window with what the client used."""
    share = max(piece.cpu_ns, default=0) / max(piece.elapsed_ns, 1)
    return replace(window, client_share=round(share, 3), idle_cores=idle_cores)


def _refusal(piece: Slice, prepared: _Prepared, outcomes: Sequence[int]) -> str | None:
    """What a service said that failed more calls than are tolerated."""
    failed = sum(outcome != Outcome.OK for outcome in outcomes)
    if failed <= TOLERATED_FAILURES * len(outcomes):
        return None
    said = piece.raised if piece.refused is None else prepared.verify(piece.refused)
    return f"{failed:,} of {len(outcomes):,} calls were not answered right, such as: {said}"
