import itertools
import socket
from dataclasses import replace

import pytest

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.measure import engine
from devperf_pipeline.measure.cpu_affinity import Placement
from devperf_pipeline.measure.rounds import Measurer
from devperf_pipeline.measure.steps import BenchmarkStep
from devperf_pipeline.model import Benchmark, Load, Outcome, Round, Throttling
from devperf_pipeline.services.operation import Wire
from devperf_pipeline_tests.measure.fake_service import FakeConnection, FakeSession
from devperf_pipeline_tests.measure.line_server import Answer, echo, wire


def step(session: FakeSession, users: int = 1) -> BenchmarkStep:
    operation = session.operations()[0]
    benchmark = Benchmark("fake", operation.name, Load(users), "engine")
    return BenchmarkStep(benchmark=benchmark, operation=operation, session=session, seconds=0.1, warmup_s=0.1)


def thousand(session: FakeSession, users: int) -> BenchmarkStep:
    """So many calls, however long a busy machine takes for them."""
    return replace(step(session, users), limit_calls=1_000, seconds=30.0)


def measured(one: BenchmarkStep) -> list[Round]:
    measurer = Measurer(Placement())
    try:
        return measurer.measure(one, 1)
    finally:
        measurer.disconnect()


def test_what_a_cpu_limit_did_in_a_round() -> None:
    """The difference of what was counted before and after the calls; nothing of a service without a limit."""
    counted = itertools.count(3)

    def throttling(_service: str) -> Throttling:
        k = next(counted)
        return Throttling(10 * k, k, 1_000 * k)

    with FakeSession() as session:
        found: list[Round] = []
        for measurer in (Measurer(Placement(), throttling), Measurer(Placement())):
            found.append(measurer.measure(step(session), 1)[-1])
            measurer.disconnect()

    assert [Throttling(10, 1, 1_000), None] == [one.throttling for one in found]


def test_a_container_that_began_in_a_round_has_no_difference() -> None:
    """Counters that fell say nothing of the round."""
    counted = iter([Throttling(100, 50, 5_000), Throttling(3, 1, 10)])
    with FakeSession() as session:
        measurer = Measurer(Placement(), lambda _: next(counted))
        last = measurer.measure(step(session), 1)[-1]
        measurer.disconnect()

    assert last.throttling is None


def late(answers: int) -> Answer:
    """Echo so many lines, then answer each call only when the next one comes."""
    held: list[bytes] = []

    def answer(connection: socket.socket, line: bytes, number: int) -> bool:
        if number < answers:
            return echo(connection, line, number)
        if held:
            connection.sendall(held.pop())
        held.append(line)
        return True

    return answer


def as_many_as_prepared(connection: FakeConnection, _user: int, size: int) -> Wire:
    """Calls that are made once each."""
    return wire(connection.server, *[b"hello %d\n" % number for number in range(size)])


def refusing(every: int) -> Answer:
    """Echo lines, and refuse one in so many of all connections together."""
    lines = itertools.count(1)

    def answer(connection: socket.socket, line: bytes, number: int) -> bool:
        if next(lines) % every:
            return echo(connection, line, number)
        connection.sendall(b"no\n")
        return True

    return answer


class TestMeasure:
    def test_nothing_is_measured_after_a_broken_warm_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A warm-up that timed out leaves an answer in flight: the round says so and has no calls."""
        monkeypatch.setattr(engine, "CALL_DEADLINE_S", 0.5)
        with FakeSession(late(0)) as session:
            warmup, round_ = measured(step(session))

        assert Outcome.TIMEOUT == warmup.outcome[-1]
        assert ("measured", 0) == (round_.phase, len(round_.latency_ns))
        assert "the warm-up ended early: CallTimeout" == round_.problem

    @pytest.mark.parametrize("users", [1, 3])
    def test_a_warm_up_leaves_calls_to_measure(self, users: int) -> None:
        """A service that was slow once has few calls prepared: the warm-up must not use up all of them."""
        with FakeSession(echo) as session:
            one = step(session, users)
            finite = replace(one, operation=replace(one.operation, finite=True, wire=as_many_as_prepared))
            measurer = Measurer(Placement())
            measurer._rates[one.benchmark.id] = 1.0
            try:
                _, round_ = measurer.measure(finite, 2)
            finally:
                measurer.disconnect()

        assert round_.problem is None
        assert len(round_.latency_ns) >= users * 2 * finite.prepared(1.0) // 3

    def test_calls_of_a_warm_up_are_never_measured_ones(self) -> None:
        """Where the service refuses after some warm-up calls, these stay warm-up calls."""

        def refuse_the_second_time(_users: int, _size: int) -> None:
            resets.append(1)
            if len(resets) > 1:
                raise ServiceRefused("no more room")

        resets: list[int] = []
        with FakeSession() as session:
            one = step(session)
            operation = replace(one.operation, finite=True, reset=refuse_the_second_time)
            warmup, round_ = measured(replace(one, operation=operation))

        assert ("warmup", "measured") == (warmup.phase, round_.phase)
        assert len(warmup.latency_ns) > 0
        assert 0 == len(round_.latency_ns)
        assert "ServiceRefused: no more room" == round_.problem

    @pytest.mark.parametrize("users", [1, 4])
    def test_an_error_now_and_then_is_no_problem(self, users: int) -> None:
        """Few enough failed calls are counted in their row, and do not make it say nothing."""
        with FakeSession(refusing(every=300)) as session:
            _, round_ = measured(thousand(session, users))

        assert Outcome.ERROR in round_.outcome
        assert round_.problem is None

    @pytest.mark.parametrize("users", [1, 4])
    def test_errors_beyond_that_are_told_in_the_words_of_the_service(self, users: int) -> None:
        """Who looks for the reason finds how many calls failed, and an answer that was not right."""
        with FakeSession(refusing(every=10)) as session:
            _, round_ = measured(thousand(session, users))
        failed = list(round_.outcome).count(Outcome.ERROR)

        assert str(round_.problem).startswith(
            f"{failed:,} of {len(round_.outcome):,} calls were not answered right"
        )
        assert "b'no\\n'" in str(round_.problem)


class TestStretch:
    @pytest.mark.parametrize("engine_processes", [1, 2])
    def test_is_driven_as_it_says_and_tells_what_the_client_used(self, engine_processes: int) -> None:
        """A sustained load of several users makes exactly the calls of its limit, by so many processes."""
        with FakeSession() as session:
            one = replace(step(session, users=4), limit_calls=500, seconds=5.0)
            measurer = Measurer(Placement())
            warmup, round_ = measurer.measure(one, 1, engine_processes)
            measurer.disconnect()

        assert (500, None) == (len(round_.latency_ns), round_.problem)
        assert round_.sustained is not None
        assert (500, 5.0, engine_processes) == (
            round_.sustained.limit_calls,
            round_.sustained.limit_s,
            round_.sustained.engine_processes,
        )
        assert 0 < round_.sustained.client_share <= 1.1
        assert warmup.sustained is None
