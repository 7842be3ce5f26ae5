import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest
from psycopg import sql
from redis import Redis

from devperf_pipeline.measure.cpu_affinity import Placement
from devperf_pipeline.measure.plan import RunOptions, benchmarks
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.rounds import Measurer
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import Reporter, RunContext
from devperf_pipeline.measure.steps import benchmark_step
from devperf_pipeline.model import Baseline, Credentials, ResourceReading, Round, Service, Stack, Stated
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.rabbitmq.management import Management
from devperf_pipeline.services.vault.client import VaultApi
from devperf_pipeline.stack.credentials import Reader, with_credentials
from devperf_pipeline_tests import administrators
from devperf_pipeline_tests.external_stack import vaulted

pytestmark = pytest.mark.servers

FIRST, SECOND = 'it\'s the "first" 50 %', "das zweite: пароль \\ 100%25 'x'"

Change = Callable[[str], None]

TINY = Profile(name="quick", rounds=1, seconds=0.02, warmup_s=0.02, about="short")


class Kept:
    """Keeps rounds in a list."""

    def __init__(self) -> None:
        self.rounds: list[Round] = []

    def begin(self, baseline: Baseline) -> None: ...

    def keep(self, measured: Round) -> None:
        if measured.phase == "measured":
            self.rounds.append(measured)

    def keep_resources(self, readings: Sequence[ResourceReading]) -> None: ...

    def keep_stated(self, stated: Stated) -> None: ...

    def finish(self, baseline: Baseline) -> None: ...

    @property
    def problems(self) -> list[str]:
        return [each.problem for each in self.rounds if each.problem]


@pytest.fixture(name="api")
def _api(running_stack: Stack) -> Iterator[VaultApi]:
    if "vault" in running_stack.missing:
        pytest.skip(running_stack.missing["vault"])
    api = VaultApi(running_stack.service("vault"))
    yield api
    api.do("DELETE", "/secret/metadata/rotated")
    api.close()


@pytest.fixture(name="change", params=["postgresql", "redis", "mysql", "rabbitmq"])
def _change(request: pytest.FixtureRequest, running_stack: Stack) -> Iterator[tuple[Service, Change]]:
    """A service with a user of its own, and how that user gets another password and loses its connections."""
    service = running_stack.service(request.param)
    who = service.credentials
    assert who is not None
    if service.kind == "redis":
        client = Redis(
            host=service.address.host, port=service.address.port, username=who.username, password=who.password
        )

        def rotate(password: str) -> None:
            client.acl_setuser(
                "rotated",
                enabled=True,
                reset_passwords=True,
                passwords=[f"+{password}"],
                keys="*",
                commands=["+@all"],
            )
            client.execute_command("CLIENT", "KILL", "USER", "rotated")

        yield service, rotate
        client.acl_deluser("rotated")
        client.close()
        return
    if service.kind == "mysql":
        with _mysql_user(service) as rotate_user:
            yield service, rotate_user
        return
    if service.kind == "rabbitmq":
        with _rabbitmq_user(service) as rotate_user:
            yield service, rotate_user
        return
    with administrators.postgresql(service) as con:
        con.execute(sql.SQL("CREATE ROLE rotated LOGIN"))
        con.execute(
            sql.SQL("GRANT CREATE ON DATABASE {} TO rotated").format(sql.Identifier(service.database or ""))
        )

        def rotate_role(password: str) -> None:
            con.execute(sql.SQL("ALTER ROLE rotated PASSWORD {}").format(password))
            con.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotated'")

        yield service, rotate_role
        con.execute("DROP OWNED BY rotated")
        con.execute("DROP ROLE rotated")


@contextmanager
def _mysql_user(service: Service) -> Iterator[Change]:
    with administrators.mysql(service) as con, con.cursor() as cursor:
        cursor.execute("CREATE USER rotated@'%'")
        cursor.execute("GRANT ALL ON devperf.* TO rotated@'%'")

        def rotate(password: str) -> None:
            cursor.execute("ALTER USER rotated@'%%' IDENTIFIED BY %s", [password])
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'rotated'")
            for (number,) in cursor.fetchall():
                with suppress(pymysql.err.OperationalError):  # it has ended
                    cursor.execute("KILL %s", [number])

        try:
            yield rotate
        finally:
            cursor.execute("DROP USER rotated@'%'")


@contextmanager
def _rabbitmq_user(service: Service) -> Iterator[Change]:
    management = Management(service)

    def rotate(password: str) -> None:
        management.do("PUT", "/users/rotated", {"password": password, "tags": "administrator"})
        management.do("DELETE", "/connections/username/rotated")

    try:
        yield rotate
    finally:
        management.do("DELETE", "/users/rotated")


def short(rounds: int, seconds: float = 0.02) -> RunOptions:
    return RunOptions(
        profile=Profile(name="quick", rounds=rounds, seconds=seconds, warmup_s=0.02, about="short"), seed=7
    )


class TestRotated:
    def test_goes_on_with_the_new_password(
        self, tmp_path: Path, api: VaultApi, change: tuple[Service, Change]
    ) -> None:
        """
        Passwords with quotes, spaces, per cent and letters of other scripts; one that is changed in the middle of a
        run, with every connection ended, costs at most the rounds of that moment.
        """
        service, rotate = change
        described = vaulted(tmp_path, service, api, username="rotated", path="rotated")

        def everywhere(password: str) -> None:
            api.do("POST", "/secret/data/rotated", {"data": {"password": password}})
            rotate(password)

        def tell(progress: Progress) -> None:
            if progress.done == progress.of // 2:
                everywhere(SECOND)

        everywhere(FIRST)
        kept, said, reader = Kept(), list[str](), Reader(described)
        context = RunContext(
            stack=with_credentials(described),
            sink=kept,
            reread=reader,
            reporter=Reporter(say=said.append, progress=tell),
        )
        baseline = measure(context, short(2))

        assert {service.name: "measured"} == baseline.states
        lost = [
            f"{each.benchmark.id}, round {each.number}: {each.problem or 'no calls'}"
            for each in kept.rounds
            if each.problem or not each.latency_ns
        ]
        assert len(lost) <= 2, lost
        # The first line says how long the run takes.
        assert [f"{service.name} refused, and was entered with credentials that were read again."] == said[1:]
        assert SECOND in reader.used.values()

    def test_says_what_cannot_be_read(
        self, tmp_path: Path, api: VaultApi, change: tuple[Service, Change]
    ) -> None:
        """Where the Vault does not let us read any more, the reason names service, path and remedy, and no secret."""
        service, rotate = change
        described = vaulted(tmp_path, service, api, username="rotated", path="rotated")

        def tell(progress: Progress) -> None:
            if progress.done == 3:
                (tmp_path / "token").write_text("hvs.ended", encoding="utf-8")
                rotate(SECOND)

        api.do("POST", "/secret/data/rotated", {"data": {"password": FIRST}})
        rotate(FIRST)
        context = RunContext(
            stack=with_credentials(described),
            sink=Kept(),
            reread=Reader(described),
            reporter=Reporter(progress=tell),
        )
        baseline = measure(context, short(2))
        # What a refused session could not remove, the next one with the right password does.
        last = CATALOGUE[service.kind].open_session(
            replace(described.service(service.name), kept={}, credentials=Credentials("rotated", SECOND))
        )
        last.clean()
        last.close()
        why = baseline.reasons[service.name]

        assert {service.name: "failed"} == baseline.states
        assert f"{service.name}: " in why
        assert "expected secret/data/rotated in the Vault at" in why
        assert "log in again, or allow it" in why
        assert FIRST not in why
        assert SECOND not in why


class TestTokenThatEnds:
    def entered_with(self, running_stack: Stack, api: VaultApi, **how: object) -> Service:
        """The running Vault, with a token that soon ends."""
        made = api.do("POST", "/auth/token/create", how)["auth"]
        return replace(running_stack.service("vault"), credentials=Credentials("token", made["client_token"]))

    def test_is_renewed(self, running_stack: Stack, api: VaultApi) -> None:
        """A token that can be renewed outlives its time, when it is looked after before each round."""
        other = VaultApi(self.entered_with(running_stack, api, ttl="4s", renewable=True))
        other.ready()
        ends = time.monotonic() + 6
        while time.monotonic() < ends:
            other.keep_alive()
            time.sleep(0.1)
        left = other.do("GET", "/auth/token/lookup-self")["data"]["ttl"]
        other.close()

        assert 0 <= left <= 4

    def test_costs_only_what_needs_it(self, running_stack: Stack, api: VaultApi) -> None:
        """
        One of two seconds that cannot be renewed ends in the middle: what needs it says service, path and remedy;
        Vault's health and Redis are measured.
        """
        session = CATALOGUE["vault"].open_session(running_stack.service("vault"))
        session.prepare()
        planned = {
            operation.name: benchmark_step(benchmark, operation, session, TINY)
            for benchmark, operation in benchmarks("vault", session.operations())
        }
        session.renew(self.entered_with(running_stack, api, ttl="2s", renewable=False))
        measurer = Measurer(Placement())
        time.sleep(2.5)
        refused = measurer.measure(planned["kv-read"], 1)[-1]
        health = measurer.measure(planned["health"], 1)[-1]
        measurer.disconnect()
        session.renew(running_stack.service("vault"))
        again = measurer.measure(planned["kv-read"], 2)[-1]
        measurer.disconnect()
        session.clean()
        session.close()

        assert refused.problem
        assert "vault at 127.0.0.1" in refused.problem
        assert "answers 403 to GET /auth/token/lookup-self" in refused.problem
        assert "Log in again (`vault login`)" in refused.problem
        assert (None, None) == (health.problem, again.problem)
        assert len(health.latency_ns) > 0
