import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from devperf_pipeline.errors import ServiceUnreachable
from devperf_pipeline.measure import run, run_context
from devperf_pipeline.measure.plan import RunOptions
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import Cancelled, Reporter, RunContext
from devperf_pipeline.measure.tally import Tally
from devperf_pipeline.model import LEAST_CALLS, Baseline, ResourceReading, Round, Service, Stack, Stated
from devperf_pipeline.services.operation import Session
from devperf_pipeline_tests.measure.fake_service import FakeSession
from devperf_pipeline_tests.measure.line_server import echo

SHORT = Profile(name="short", rounds=3, seconds=0.02, warmup_s=0.1, about="for tests")


class ListSink:
    """Keeps everything in lists."""

    def __init__(self) -> None:
        self.rounds: list[Round] = []
        self.baselines: list[Baseline] = []
        self.readings: list[ResourceReading] = []
        self.stated: list[Stated] = []

    def begin(self, baseline: Baseline) -> None:
        self.baselines.append(baseline)

    def keep(self, measured: Round) -> None:
        self.rounds.append(measured)

    def keep_resources(self, readings: Sequence[ResourceReading]) -> None:
        self.readings += readings

    def keep_stated(self, stated: Stated) -> None:
        self.stated.append(stated)

    def finish(self, baseline: Baseline) -> None:
        self.baselines.append(baseline)


class FakeKind:
    """A line of the catalogue whose services are opened by a function of the test."""

    def __init__(self, open_session: Callable[[Service], Session]) -> None:
        self.open_session = open_session


@pytest.fixture(name="sessions")
def _sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, FakeSession]]:
    sessions: dict[str, FakeSession] = {}

    def open_session(service: Service) -> Session:
        if service.name not in sessions:
            raise ServiceUnreachable(f"nothing answers for {service.name}")
        return sessions[service.name]

    monkeypatch.setattr(run, "CATALOGUE", {"fake": FakeKind(open_session)})
    yield sessions
    for session in sessions.values():
        session.server.close()


def stack(*names: str, **missing: str) -> Stack:
    services = tuple(Service(name=name, kind="fake") for name in (*names, *missing))
    return Stack(name="test", path=Path("test.toml"), managed=False, services=services, missing=missing)


def measured(described: Stack, sink: ListSink | Tally, **more: Any) -> Baseline:
    context = RunContext(stack=described, sink=sink, reporter=Reporter(**more))
    return measure(context, RunOptions(profile=SHORT, seed=1))


class TestMeasure:
    def test_every_benchmark_has_every_round(self, sessions: dict[str, FakeSession]) -> None:
        """Five benchmarks of one service, three rounds each, and the warm-ups beside them."""
        sessions["a"] = FakeSession()
        sink = ListSink()
        baseline = measured(stack("a"), sink)
        rounds = [(r.benchmark.id, r.number) for r in sink.rounds if r.phase == "measured"]

        assert 5 * 3 == len(set(rounds)) == len(rounds)
        assert "measured" == baseline.states["a"]
        assert all(r.latency_ns and r.problem is None for r in sink.rounds)

    def test_slow_operations_get_longer_rounds(self, sessions: dict[str, FakeSession]) -> None:
        """A server that answers five calls in a round of the profile has enough of them in each all the same."""

        def slowly(connection: socket, line: bytes, number: int) -> bool:
            time.sleep(0.004)
            return echo(connection, line, number)

        sessions["a"] = FakeSession(slowly)
        sink = ListSink()
        measured(stack("a"), sink)
        calls = [len(each.latency_ns) for each in sink.rounds if each.phase == "measured"]

        assert 5 * 3 == len(calls)
        assert min(calls) >= LEAST_CALLS

    def test_rounds_that_take_longer_than_planned_are_left_out_and_named(
        self, sessions: dict[str, FakeSession]
    ) -> None:
        """A run that has used up the time of its rounds ends them, and says which have not been measured of what."""
        sessions["a"] = FakeSession()
        sink, clock = ListSink(), itertools.count(step=10)
        profile = replace(SHORT, longest_s=60.0)
        context = RunContext(stack=stack("a"), sink=sink, clock=lambda: next(clock))
        baseline = measure(context, RunOptions(profile=profile, seed=1))
        measured = {one.benchmark.id for one in sink.rounds if one.phase == "measured"}

        assert 0 < len(measured) < 5
        assert "measured" == baseline.states["a"]
        why = baseline.reasons["a"]
        assert why.startswith("rounds took longer than the ")
        assert "left out were rounds from 1 on of " in why
        assert "rounds from 2 on of " in why

    def test_rounds_of_services_are_interleaved(self, sessions: dict[str, FakeSession]) -> None:
        """The first round of every service comes before the second round of any."""
        sessions["a"], sessions["b"] = FakeSession(), FakeSession()
        sink = ListSink()
        measured(stack("a", "b"), sink)
        numbers = [r.number for r in sink.rounds]

        assert sorted(numbers) == numbers
        assert {"a", "b"} == {r.benchmark.service for r in sink.rounds if r.number == 1}

    def test_objects_are_removed_at_the_end(self, sessions: dict[str, FakeSession]) -> None:
        """A session is prepared, cleaned and closed, in this order."""
        sessions["a"] = FakeSession()
        measured(stack("a"), ListSink())

        assert ["prepare", "clean", "close"] == sessions["a"].history

    def test_unreachable_service_costs_only_its_rows(self, sessions: dict[str, FakeSession]) -> None:
        """One that does not answer is failed with its reason; the other one is measured."""
        sessions["a"] = FakeSession()
        sink = ListSink()
        baseline = measured(stack("a", "b"), sink)

        assert {"a": "measured", "b": "failed"} == baseline.states
        assert "nothing answers for b" == baseline.reasons["b"]
        assert {"a"} == {r.benchmark.service for r in sink.rounds}

    def test_unreachable_service_is_told_before_the_first_round(
        self, sessions: dict[str, FakeSession]
    ) -> None:
        """A wrong password is heard of at once, not when everything else has been measured."""
        sessions["a"] = FakeSession()
        heard: list[str] = []
        measured(
            stack("a", "gone"),
            ListSink(),
            say=heard.append,
            progress=lambda _: heard.append("a round"),
        )

        assert ["gone will not be measured: nothing answers for gone", "a round"] == [heard[0], heard[2]]

    def test_missing_server_is_skipped_with_its_reason(self, sessions: dict[str, FakeSession]) -> None:
        """A server that could not be had is skipped, not failed."""
        sessions["a"] = FakeSession()
        baseline = measured(stack("a", b="not installed"), ListSink())

        assert ("skipped", "not installed") == (baseline.states["b"], baseline.reasons["b"])

    def test_service_that_dies_is_given_up_and_says_so(self, sessions: dict[str, FakeSession]) -> None:
        """When a server is gone in the middle, its finished rounds stay, the rest is not waited for, the other goes on."""
        sessions["a"], sessions["b"] = FakeSession(), FakeSession()
        sink = ListSink()

        def kill_b_after_round_one(progress: Progress) -> None:
            if progress.round_number == 2:
                sessions["b"].server.close()

        baseline = measured(stack("a", "b"), sink, progress=kill_b_after_round_one)

        assert "failed" == baseline.states["b"]
        assert "given up after 3 rounds" in baseline.reasons["b"]
        assert 5 * 3 == sum(r.benchmark.service == "a" and r.phase == "measured" for r in sink.rounds)
        assert 5 <= sum(
            r.benchmark.service == "b" and bool(r.latency_ns) for r in sink.rounds if r.phase == "measured"
        )

    def test_cancelled_run_cleans_up(
        self, sessions: dict[str, FakeSession], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Asked to stop, it stops between rounds, cleans, and what was kept stays kept."""
        monkeypatch.setattr(run_context, "ASK_EVERY_S", 0)
        sessions["a"] = FakeSession()
        sink = ListSink()
        with pytest.raises(Cancelled):
            measured(stack("a"), sink, cancelled=lambda: len(sink.rounds) > 4)

        assert ["prepare", "clean", "close"] == sessions["a"].history
        assert 4 < len(sink.rounds) < 10

    def test_progress_counts_to_the_end(self, sessions: dict[str, FakeSession]) -> None:
        """The last word of progress is that everything is done and nothing is left."""
        sessions["a"] = FakeSession()
        heard: list[Progress] = []
        measured(stack("a"), ListSink(), progress=heard.append)

        assert (15, 15, 0) == (heard[-1].done, heard[-1].of, heard[-1].left_s)


class TestTally:
    def test_counts_measured_calls_only(self, sessions: dict[str, FakeSession]) -> None:
        """The tally of a service is the sum of its measured rounds, without warm-ups."""
        sessions["a"] = FakeSession()
        sink = ListSink()
        tally = Tally(sink)
        measured(stack("a"), tally)

        assert sum(len(r.outcome) for r in sink.rounds if r.phase == "measured") == tally.services["a"].total
