import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from socket import socket
from typing import Any

import psutil
import pytest
from psycopg import sql

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.local.lifecycle import down, processes, up
from devperf_pipeline.measure import load_tests, run_context
from devperf_pipeline.measure.cpu_affinity import Placement
from devperf_pipeline.measure.load_tests import SWEEP, engines_after
from devperf_pipeline.measure.plan import Plan
from devperf_pipeline.measure.profile import PROFILES, Profile
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.rounds import Measurer
from devperf_pipeline.measure.run_context import Cancelled, Reporter, RunContext
from devperf_pipeline.measure.steps import Measurable
from devperf_pipeline.model import (
    Address,
    Baseline,
    Benchmark,
    Credentials,
    Facts,
    Load,
    Outcome,
    Round,
    Service,
    Stack,
    SustainedLoad,
)
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Operation, Session
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore
from devperf_pipeline_tests import administrators
from devperf_pipeline_tests.measure.fake_service import FakeConnection, FakeSession
from devperf_pipeline_tests.measure.line_server import Answer, echo
from devperf_pipeline_tests.measure.test_run import ListSink

SHORT = Profile(
    name="short", rounds=1, seconds=0.02, warmup_s=0.05, about="for tests", sweep_s=0.05, load_test_s=0.1
)


Sweep = Callable[..., tuple[ListSink, list[str]]]

A = Service(name="a", kind="fake")


class LoadedSession(FakeSession):
    """A line server whose `hello` is load tested, and that lets in so many users."""

    def __init__(self, answer: Answer = echo, most_users: int = 1_000) -> None:
        super().__init__(answer)
        self.most_users, self.users = most_users, 0

    def operations(self) -> list[Operation]:
        floor, hello = super().operations()
        return [floor, replace(hello, sustained=True)]

    def connect(self) -> FakeConnection:
        self.users += 1
        if self.users > self.most_users:
            raise ServiceRefused(f"no more than {self.most_users} users")
        return super().connect()


@pytest.fixture(name="session")
def _session() -> Iterator[LoadedSession]:
    with LoadedSession() as session:
        yield session


@pytest.fixture(name="sweep")
def _sweep() -> Sweep:
    """Sweep one service: what is kept, and what is said."""

    def sweep(
        session: Session, profile: Profile = SHORT, *, service: Service = A, **more: Any
    ) -> tuple[ListSink, list[str]]:
        sink, said = ListSink(), list[str]()
        stack = Stack(name="test", path=Path("test.toml"), managed=False, services=(service,))
        context = RunContext(
            stack=stack,
            sink=sink,
            processes=more.pop("processes", {}),
            clock=more.pop("clock", time.monotonic),
            reporter=Reporter(say=said.append, **more),
        )
        context.state.states[service.name] = "measured"
        try:
            load_tests.run(planned(service, session, profile), context)
        finally:
            context.close()
        return sink, said

    return sweep


def planned(service: Service, session: Session, profile: Profile) -> Plan:
    one = Measurable(service=service, session=session, operations=session.operations())
    sweeps = load_tests.plan([one], profile)
    return Plan(profile=profile, seed=1, stages=["load_tests"], services=[service.name], sweeps=sweeps)


class TestRun:
    def test_every_number_of_users_is_one_window(self, sweep: Sweep, session: LoadedSession) -> None:
        """The sweep has one measured round a number of users, rising, that says how it was driven."""
        sink, said = sweep(session)
        measured = [one for one in sink.rounds if one.phase == "measured"]

        assert [f"a/hello/sustained-{users}/engine" for users in SWEEP] == [
            one.benchmark.id for one in measured
        ]
        assert [None] * len(SWEEP) == [one.problem for one in measured]
        assert [0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.1, 0.05] == [
            one.sustained.limit_s for one in measured if one.sustained
        ]
        assert all(one.sustained and one.sustained.client_share > 0 for one in measured)
        assert [] == said

    def test_what_everything_uses_is_read_meanwhile(self, sweep: Sweep, session: LoadedSession) -> None:
        """Readings of the load test carry its benchmark and its users; other points but the one before have none."""
        profile = replace(SHORT, load_test_s=0.5, sweep_s=0.3, reading_s=0.1)
        here = Service(name="a", kind="fake", addresses=(Address("127.0.0.1", 1),))
        sink, _ = sweep(session, profile, service=here, processes={"a": [os.getpid()]})

        assert {
            ("load", "a/hello/sustained-50/engine", 50),
            ("load", "a/hello/sustained-100/engine", 100),
        } == {(one.phase, one.benchmark, one.users) for one in sink.readings}

    def test_operations_that_are_not_sustained_have_none(self, sweep: Sweep) -> None:
        """A service without a sustained operation is not load tested."""
        with FakeSession() as session:
            sink, _ = sweep(session)

        assert [] == sink.rounds

    def test_it_ends_where_the_server_lets_in_no_more(self, sweep: Sweep) -> None:
        """
        The first number of users that is refused gets a row without calls and with the reason; larger ones are not
        tried, smaller ones stay.
        """
        with LoadedSession(most_users=12) as session:
            sink, said = sweep(session)
        measured = [one for one in sink.rounds if one.phase == "measured"]

        assert [1, 2, 5, 10, 20] == [one.benchmark.load.users for one in measured]
        assert [True, True, True, True, False] == [bool(one.latency_ns) for one in measured]
        assert ["a lets in fewer than 20 users at once; its sweep of users ends there."] == said
        assert measured[-1].problem == "ServiceRefused: no more than 12 users"

    def test_it_ends_where_answers_go_wrong(self, sweep: Sweep) -> None:
        """After two numbers of users without a whole window more of them are not tried."""

        def refuse(connection: object, line: bytes, number: int) -> bool:
            connection.sendall(b"no\n")  # type: ignore[attr-defined]
            return True

        with LoadedSession(refuse) as session:
            sink, said = sweep(session)

        assert {1, 2} == {one.benchmark.load.users for one in sink.rounds}
        assert {Outcome.ERROR} == {each for one in sink.rounds for each in one.outcome}
        assert 1 == len(said)

    def test_cancelled_between_windows(
        self, sweep: Sweep, session: LoadedSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Asked to stop, it stops after the window under way, and what was kept stays."""
        monkeypatch.setattr(run_context, "ASK_EVERY_S", 0)
        heard: list[Progress] = []
        with pytest.raises(Cancelled):
            sweep(session, progress=heard.append, cancelled=lambda: len(heard) == 2)

        assert [1, 2] == [int(one.benchmark.partition("sustained-")[2].partition("/")[0]) for one in heard]

    def test_what_does_not_fit_into_the_budget_is_left_out_and_named(
        self, sweep: Sweep, session: LoadedSession
    ) -> None:
        """Where a service's share of the time has no room for its sweep, only its load test is made."""
        heard: list[Progress] = []
        profile = replace(SHORT, sweeps_budget_s=1e-9)
        sink, _ = sweep(session, profile, progress=heard.append)
        [step] = planned(A, session, profile).sweeps

        assert {100} == {one.benchmark.load.users for one in sink.rounds}
        assert ["sustained load of 1, 2, 5, 10, 20, 50, 200 users"] == [*step.left_out]
        assert 1 == len(heard)

    def test_what_takes_longer_than_planned_is_left_out_and_named(
        self, sweep: Sweep, session: LoadedSession
    ) -> None:
        """A sweep that has used up its time ends with the load test, and says which points it has not."""
        sink, said = sweep(session, replace(SHORT, longest_s=60.0), clock=itertools.count(step=20).__next__)

        assert {1, 100} == {one.benchmark.load.users for one in sink.rounds}
        assert (
            "a was not measured under a sustained load of 2, 5, 10, 20, 50, 200 users"
            == said[0].partition(":")[0]
        )

    def test_a_server_that_hangs_afterwards_is_waited_for(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What many users have left behind ends before anything else is asked of the service, and it is said."""
        monkeypatch.setattr(load_tests, "HANG_S", 0.3)
        hangs = threading.Event()

        def hanging(connection: socket, line: bytes, number: int) -> bool:
            if hangs.is_set():
                time.sleep(load_tests.HANG_S + 0.5)
                hangs.clear()
            return echo(connection, line, number)

        def last(progress: Progress) -> None:
            if progress.done == progress.of:
                hangs.set()

        with LoadedSession(hanging) as session:
            _, said = sweep(session, progress=last)

        (line,) = said
        assert line.startswith("a: after its load tests it answered nothing for ")
        assert line.endswith("and was waited for.")

    def test_a_server_that_hangs_for_good_is_not_waited_for(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Waiting has an end, and the service's reason says what was seen."""
        monkeypatch.setattr("devperf_pipeline.measure.engine.CALL_DEADLINE_S", 0.3)
        monkeypatch.setattr(load_tests, "LONGEST_HANG_S", 0.5)
        hangs = threading.Event()

        def hanging(connection: socket, line: bytes, number: int) -> bool:
            return hangs.is_set() or echo(connection, line, number)

        def last(progress: Progress) -> None:
            if progress.done == progress.of:
                hangs.set()

        with LoadedSession(hanging) as session:
            _, said = sweep(session, progress=last)

        assert ["and was not waited for any longer."] == [line.partition(" s, ")[2] for line in said]

    def test_a_hanging_server_does_not_hold_it(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server that answers nothing costs the deadline of a call, once, and the sweep ends."""
        monkeypatch.setattr("devperf_pipeline.measure.engine.CALL_DEADLINE_S", 0.5)
        monkeypatch.setattr(load_tests, "LONGEST_HANG_S", 0.5)
        with LoadedSession(lambda connection, line, number: True) as session:
            began = time.monotonic()
            sink, said = sweep(session)

        assert time.monotonic() - began < 10
        assert "the warm-up ended early" in str(sink.rounds[-1].problem)
        assert 2 == len(said)


class TestPlan:
    def test_of_the_published_load_test(self, session: LoadedSession) -> None:
        """In the full profile 100 users of an API make 60,000 calls or go on for 60 s; quicker ones are shorter."""
        api = Service(name="any", kind="fastapi")
        load_test = {
            name: next(filter(load_tests.is_load_test, planned(api, session, profile).sweeps[0].points))
            for name, profile in PROFILES.items()
        }

        assert {60_000} == {step.limit_calls for step in load_test.values()}
        assert {100} == {step.benchmark.load.users for step in load_test.values()}
        assert load_test["quick"].seconds < load_test["standard"].seconds < load_test["full"].seconds == 60.0


class TestEnginesAfter:
    @pytest.mark.parametrize(
        ("client_share", "idle_cores", "cores", "expected"),
        [(0.95, 1.5, 4, 2), (0.95, 0.3, 4, 1), (0.5, 1.5, 4, 1), (0.95, 1.5, 2, 1), (0.95, None, 4, 1)],
        ids=["one more", "no core was idle", "the client was not the limit", "too few cores", "unknown"],
    )
    def test_one_more_where_it_helps(
        self, client_share: float, idle_cores: float | None, cores: int, expected: int
    ) -> None:
        """Another process is started only where the client was the limit, a core was idle, and one is left to servers."""
        found = SustainedLoad(
            limit_calls=1, limit_s=1, engine_processes=1, client_share=client_share, idle_cores=idle_cores
        )

        assert expected == engines_after(found, lambda engines: cores > engines)


class TestLoad:
    def test_sustained_benchmarks_have_ids_of_their_own(self) -> None:
        """A sustained load never joins on the interleaved one of as many users."""
        sustained = Benchmark("redis", "get-hit", Load(10, sustained=True), "engine")

        assert ("redis/get-hit/sustained-10/engine", "load_tests") == (sustained.id, sustained.stage)


def swept(sweep: Sweep, service: Service) -> tuple[list[Round], list[str]]:
    """What the sweep of one service measured, and what was said; its session can still connect afterwards."""
    session = CATALOGUE[service.kind].open_session(service)
    try:
        session.prepare()
        sink, said = sweep(session, service=replace(service, name="a"))
        session.connect().close()
    finally:
        session.clean()
        session.close()
    return [one for one in sink.rounds if one.phase == "measured"], said


@pytest.mark.servers
class TestRealServers:
    @pytest.mark.parametrize("name", ["redis", "postgresql"])
    def test_local_ones_let_in_all_users(self, sweep: Sweep, running_stack: Stack, name: str) -> None:
        """The servers that we start are swept to the end, every window has right answers only, and nobody stays connected."""
        measured, said = swept(sweep, running_stack.service(name))

        assert list(SWEEP) == [one.benchmark.load.users for one in measured]
        assert [None] * len(SWEEP) == [one.problem for one in measured]
        assert {Outcome.OK} == {each for one in measured for each in one.outcome}
        assert [] == said

    def test_sweep_ends_where_a_server_lets_in_no_more(self, sweep: Sweep, running_stack: Stack) -> None:
        """A user that may have 60 connections is swept to 50 users; with 100 there is a row that says why not."""
        service = running_stack.service("postgresql")
        with closing(administrators.postgresql(service)) as con:
            con.execute("CREATE ROLE devperf_few LOGIN PASSWORD 'few' CONNECTION LIMIT 60")
            con.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO devperf_few").format(
                    sql.Identifier(service.database or "")
                )
            )
            try:
                few = replace(service, credentials=Credentials("devperf_few", "few"))
                measured, said = swept(sweep, few)
            finally:
                con.execute("DROP OWNED BY devperf_few")
                con.execute("DROP ROLE devperf_few")

        assert [1, 2, 5, 10, 20, 50, 100] == [one.benchmark.load.users for one in measured]
        assert [None] * 6 == [one.problem for one in measured[:-1]]
        assert "too many connections" in str(measured[-1].problem)
        assert ["a lets in fewer than 100 users at once; its sweep of users ends there."] == said

    def test_a_dependency_that_stops_is_told_from_when_on(self, tmp_path: Path) -> None:
        """
        An API goes on answering with status 200 when its Redis is gone, and says in the body that it is not well:
        the window has the moment, ends soon after it, and its row is not valid.
        """
        folders = Folders(tmp_path)
        local = load_stack("local", Folders.find(), CATALOGUE)
        api = replace(local.service("fastapi"), needs=("redis",))
        try:
            stack = up(replace(local, services=(local.service("redis"), api)), folders, say=lambda _: None)
            assert {} == stack.missing
            redis = [psutil.Process(pid) for pid in processes(folders, "redis")]
            session = CATALOGUE["fastapi"].open_session(stack.service("fastapi"))
            session.prepare()
            measurer = Measurer(Placement())
            [sweep] = planned(stack.service("fastapi"), session, SHORT).sweeps
            [step] = [one for one in sweep.points if one.benchmark.load.users == 10]
            store, baseline = SampleStore(folders), baseline_of("fastapi")
            store.check_writable()
            store.begin(baseline)
            measurer.measure(replace(step, limit_calls=200, seconds=1.0), 1)  # every connection is there
            killed_at_ns: list[int] = []

            def kill() -> None:
                killed_at_ns.append(time.time_ns())
                for one in redis:
                    one.kill()

            @contextmanager
            def killing() -> Iterator[None]:
                threading.Timer(1.5, kill).start()
                yield

            long = replace(step, limit_calls=1_000_000, seconds=4.0)
            measured = measurer.measure(long, 1, around=killing)[-1]
            measurer.disconnect()
            session.close()
            store.keep(measured)
            store.finish(baseline)
        finally:
            down(local.name, folders, say=lambda _: None)
        warehouse.build(folders)
        with warehouse.connect(folders) as con:
            [(valid, n, degraded_from_s, reason)] = con.execute(
                "select valid, n, degraded_from_s, invalid_reason from load_tests"
            ).fetchall()
        expected_s = (killed_at_ns[0] - measured.began_at_ns) / 1e9
        degraded = list(measured.outcome).count(Outcome.DEGRADED)

        assert not valid
        assert len(measured.outcome) == n
        assert expected_s <= degraded_from_s < expected_s + 2
        assert degraded
        assert reason.startswith(
            f"{degraded:,} of {n:,} calls were answered with success by a service that says it is not well, "
            f"from second {degraded_from_s:.1f} on, such as: "
        )
        assert "redis did not answer" in reason


def baseline_of(service: str) -> Baseline:
    return Baseline(
        id="20261125T031500Z-3f9a",
        stack="local",
        profile="quick",
        seed=1,
        began_at_ns=time.time_ns(),
        host={},
        facts={service: Facts(product=service, version="1")},
    )
