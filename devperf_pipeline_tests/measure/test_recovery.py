import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devperf_pipeline.measure import recovery, run
from devperf_pipeline.measure.plan import RunOptions
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import Reporter, RunContext
from devperf_pipeline.model import Address, Baseline, Service, Stack
from devperf_pipeline_tests.measure.docker_server import CONTAINER, ID, DockerServer, answers
from devperf_pipeline_tests.measure.fake_service import FakeSession
from devperf_pipeline_tests.measure.line_server import echo
from devperf_pipeline_tests.measure.test_run import FakeKind, ListSink

PROFILE = Profile(name="short", rounds=3, seconds=0.02, warmup_s=0.05, about="for tests")
SERVICE = Service(name="fake", kind="fake", addresses=(Address("127.0.0.1", 6379),))

Measured = tuple[Baseline, ListSink, list[str], FakeSession]


@pytest.fixture(name="broken_once")
def _broken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Measured]]:
    """
    A run of a service in a container, which ends all connections once, in the middle, when the container becomes
    `now`; `later` are what it becomes each time that it is looked at after that.
    """
    path, known = tmp_path / "docker.sock", answers()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(recovery, "ASK_EVERY_S", 0.01)
    monkeypatch.setattr(recovery, "BACK_S", 0.5)

    def measured(now: dict[str, Any], *later: dict[str, Any]) -> Measured:
        states, lines = [now, *later], 0

        def become() -> dict[str, Any]:
            return states.pop(0) if len(states) > 1 else states[0]

        def answer(connection: socket.socket, line: bytes, number: int) -> bool:
            nonlocal lines
            lines += 1
            if lines != 2_000:
                return echo(connection, line, number)
            for name in (ID, "dev-redis"):
                known[f"/containers/{name}/json"] = become
            return False

        session, sink, said = FakeSession(answer), ListSink(), []
        monkeypatch.setattr(run, "CATALOGUE", {"fake": FakeKind(lambda _: session)})
        stack = Stack(name="it", path=Path("it.toml"), managed=False, services=(SERVICE,))
        context = RunContext(stack=stack, sink=sink, reporter=Reporter(say=said.append))
        baseline = measure(context, RunOptions(profile=PROFILE, stages={"samples": ("fake",)}, seed=1))
        return baseline, sink, said, session

    with DockerServer(path, known):
        yield measured


def container(**parts: Any) -> dict[str, Any]:
    return {
        **CONTAINER,
        **{key: CONTAINER[key] | value if isinstance(value, dict) else value for key, value in parts.items()},
    }


AGAIN = {"StartedAt": "2026-12-01T10:01:03Z"}


class TestRecovery:
    def test_one_that_was_started_again(self, broken_once: Callable[..., Measured]) -> None:
        """It is told, entered again, and the round that it broke is measured again: no round has a problem."""
        baseline, sink, said, session = broken_once(container(State=AGAIN))

        assert "measured" == baseline.states["fake"]
        assert "fake: its container dev-redis was started again at 10:01:03 UTC." == baseline.reasons["fake"]
        assert {None} == {one.problem for one in sink.rounds if one.phase == "measured"}
        assert "fake is back, and what it was asked meanwhile is measured again." == said[-1]
        assert ["prepare", "renew", "prepare", "clean", "close"] == session.history

    def test_one_that_comes_back_later(self, broken_once: Callable[..., Measured]) -> None:
        """It is waited for until it runs and is healthy."""
        baseline, sink, _, session = broken_once(
            container(State={"Status": "exited", "ExitCode": 1, "Pid": 0}),
            container(State={**AGAIN, "Health": {"Status": "starting"}}),
            container(State=AGAIN),
        )

        assert "measured" == baseline.states["fake"]
        assert baseline.reasons["fake"].startswith(
            "fake: its container dev-redis does not run any more (exited) after it ended with exit code 1."
        )
        assert {None} == {one.problem for one in sink.rounds if one.phase == "measured"}
        assert 1 == session.history.count("renew")

    def test_one_that_does_not_come_back(self, broken_once: Callable[..., Measured]) -> None:
        """It is given up when its time is over, with what happened and what it is now."""
        baseline, _, _, session = broken_once(container(State={"Status": "paused"}))

        assert "failed" == baseline.states["fake"]
        assert (
            "given up: fake: its container dev-redis is paused. It did not come back in 0 s: the container dev-redis is "
            "paused." == baseline.reasons["fake"]
        )
        assert "renew" not in session.history

    def test_one_that_is_another_now(self, broken_once: Callable[..., Measured]) -> None:
        """Rounds of two images make no row: what was measured before is kept, and the reason says what to do."""
        baseline, sink, _, _ = broken_once(
            container(Id="f" * 64, State=AGAIN, Config={"Image": "redis:8.0"}, HostConfig={"NanoCpus": 0})
        )

        assert "failed" == baseline.states["fake"]
        assert (
            "given up: fake: its container dev-redis was made again at 10:01:03 UTC, with image redis:8.0 in place of "
            "redis:7.4.1, cpu limit none in place of 0.25 cores." in baseline.reasons["fake"]
        )
        assert "redis:7.4.1" == baseline.facts["fake"].settings["container image"]
        assert 1 == len([one for one in sink.rounds if one.problem and one.phase == "measured"])
