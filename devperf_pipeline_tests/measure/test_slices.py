import socket
from dataclasses import replace

import pytest

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.measure import engine
from devperf_pipeline.measure.placement import Placement
from devperf_pipeline.measure.plan import Item, Profile
from devperf_pipeline.measure.slices import Measurer
from devperf_pipeline.model import Benchmark, Load, Outcome, Round
from devperf_pipeline_tests.measure.fake_service import FakeSession
from devperf_pipeline_tests.measure.line_server import Answer, echo

SHORT = Profile(name="short", rounds=1, seconds=0.02, warmup_s=0.1, about="for tests")


def item(session: FakeSession) -> Item:
    operation = session.operations()[0]
    return Item(Benchmark("fake", operation.name, Load(1), "engine"), operation, session)


def measured(one: Item) -> list[Round]:
    measurer = Measurer(SHORT, Placement(list))
    try:
        return measurer.measure(one, 1)
    finally:
        measurer.disconnect()


def late(answers: int) -> Answer:
    """
    Echo so many lines, then answer each call only when the next one comes.
    """
    held: list[bytes] = []

    def answer(connection: socket.socket, line: bytes, number: int) -> bool:
        if number < answers:
            return echo(connection, line, number)
        if held:
            connection.sendall(held.pop())
        held.append(line)
        return True

    return answer


class TestMeasure:
    def test_nothing_is_measured_after_a_broken_warm_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A warm-up that timed out leaves an answer under way: the round says so and has no calls.
        """
        monkeypatch.setattr(engine, "CALL_DEADLINE_S", 0.5)
        with FakeSession(late(5)) as session:
            warmup, round_ = measured(item(session))

        assert Outcome.TIMEOUT == warmup.outcome[-1]
        assert ("measured", 0) == (round_.phase, len(round_.latency_ns))
        assert "the warm-up ended early: CallTimeout" == round_.problem

    def test_calls_of_a_warm_up_are_never_measured_ones(self) -> None:
        """
        Where the service refuses after some warm-up calls, these stay warm-up calls.
        """

        def refuse_the_second_time(_users: int, _size: int) -> None:
            resets.append(1)
            if len(resets) > 1:
                raise ServiceRefused("no more room")

        resets: list[int] = []
        with FakeSession() as session:
            one = item(session)
            operation = replace(one.operation, finite=True, reset=refuse_the_second_time)
            warmup, round_ = measured(replace(one, operation=operation))

        assert ("warmup", "measured") == (warmup.phase, round_.phase)
        assert len(warmup.latency_ns) > 0
        assert 0 == len(round_.latency_ns)
        assert "ServiceRefused: no more room" == round_.problem
