import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from devperf_pipeline.errors import ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.measure.engine import blocking, exchange
from devperf_pipeline.model import Address, Credentials, Outcome, Service, Stack
from devperf_pipeline.services.postgresql import PostgresSession, open_session
from devperf_pipeline_tests.services.calls import CALLS, RIGHT, by_driver, by_engine, named
from devperf_pipeline_tests.services.strangers import nobody, silence, talker, web_server

TITLES = {
    "floor": "empty statement",
    "insert": "INSERT (single row)",
    "select-by-key": "SELECT (by primary key)",
    "full-scan": "SELECT (full scan, 10k rows)",
    "update": "UPDATE (single row)",
    "delete": "DELETE (single row)",
    "transaction": "Transaction (5 operations)",
    "join": "Join (2 tables, 1k rows each)",
}


def ask(service: Service, query: str) -> list[tuple[Any, ...]]:
    """
    What an administrator sees, beside the session that is tested.
    """
    assert service.credentials is not None
    with psycopg.connect(
        host=service.address.host,
        port=service.address.port,
        user=service.credentials.username,
        password=service.credentials.password,
        dbname=service.database,
        autocommit=True,
        prepare_threshold=None,
    ) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def schemas(service: Service) -> list[tuple[Any, ...]]:
    return ask(service, "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp' ORDER BY 1")


@pytest.fixture(scope="module", params=["postgresql", "pgbouncer"], name="service")
def _service(running_stack: Stack, request: pytest.FixtureRequest) -> Service:
    return running_stack.service(request.param)


@pytest.fixture(scope="module", name="session")
def _session(service: Service) -> Iterator[PostgresSession]:
    session = open_session(service)
    session.prepare()
    yield session
    session.clean()
    session.close()


@pytest.mark.servers
class TestOperations:
    def test_titles(self, session: PostgresSession) -> None:
        """
        The floor comes first, then the published operations under their published titles.
        """
        assert list(TITLES.items()) == [(each.name, each.title) for each in session.operations()]

    @pytest.mark.parametrize("name", TITLES)
    def test_engine(self, session: PostgresSession, name: str) -> None:
        """
        Every call of two users is answered right, to the last value.
        """
        with closing(session.connect()) as one, closing(session.connect()) as two:
            assert [RIGHT] * (2 * CALLS) == by_engine(named(session, name), [one, two])

    @pytest.mark.parametrize("name", TITLES)
    def test_driver_after_engine_on_one_connection(self, session: PostgresSession, name: str) -> None:
        """
        The driver gives right answers on a connection whose socket the engine used before, and gives it back.
        """
        with closing(session.connect()) as connection:
            for through in (by_engine, by_driver, by_engine, by_driver):
                assert [RIGHT] * CALLS == through(named(session, name), [connection])

    def test_delete_twice_is_wrong(self, session: PostgresSession) -> None:
        """
        A row that is gone cannot be deleted again: both instruments say so.
        """
        op = named(session, "delete")
        assert op.finite
        with closing(session.connect()) as connection:
            by_engine(op, [connection])
            spent = replace(op, reset=None)

            assert {Outcome.WRONG} == {outcome for outcome, _ in by_engine(spent, [connection])}
            assert {Outcome.WRONG} == {outcome for outcome, _ in by_driver(spent, [connection])}

    def test_errors_are_counted(self, service: Service, session: PostgresSession) -> None:
        """
        Without its table an operation ends in errors, by engine and by driver, and works again afterwards.
        """
        op = named(session, "select-by-key")
        assert op.wire is not None
        assert op.driver is not None
        table = f"devperf_{service.name}.items"
        with closing(session.connect()) as connection:
            wire, driver = op.wire(connection, 0, CALLS), op.driver(connection, 0, CALLS)
            ask(service, f"ALTER TABLE {table} RENAME TO hidden")
            try:
                blocking(wire.sockets)
                replies = exchange(wire.sockets, wire.calls[0])
                assert wire.check(replies) == Outcome.ERROR
                assert "does not exist" in str(wire.verify(replies))
                op.driver(connection, 0, CALLS)
                with pytest.raises(driver.exceptions) as caught:
                    driver.call(0)
                assert driver.failure(caught.value) == Outcome.ERROR
            finally:
                ask(service, f"ALTER TABLE devperf_{service.name}.hidden RENAME TO items")
            assert driver.check(driver.call(1)) == Outcome.OK

    def test_a_broken_connection_is_lost(self, running_stack: Stack) -> None:
        """
        A call whose server process was ended is lost.
        """
        service = running_stack.service("postgresql")
        with closing(open_session(service)) as session, closing(session.connect()) as connection:
            floor = session.operations()[0]
            assert floor.driver is not None
            driver = floor.driver(connection, 0, 1)
            ask(service, f"SELECT pg_terminate_backend({connection.driver.info.backend_pid}, 2000)")
            with pytest.raises(driver.exceptions) as caught:
                driver.call(0)
            assert driver.failure(caught.value) == Outcome.LOST


@pytest.mark.servers
class TestFacts:
    def test_what_runs(self, service: Service, session: PostgresSession) -> None:
        """
        Product, version and settings are those of the running server.
        """
        facts = session.facts()
        version = ask(service, "SHOW server_version")[0][0].split()[0]

        assert version == facts.version
        assert facts.product.startswith(f"PostgreSQL {version}")
        assert (" behind PgBouncer " in facts.product) == (service.kind == "pgbouncer")
        assert facts.settings["shared_buffers"] == ask(service, "SHOW shared_buffers")[0][0]
        assert facts.settings["statements"].startswith("unnamed" if service.kind == "pgbouncer" else "named")


@pytest.mark.servers
class TestCleaning:
    @pytest.fixture(name="other")
    def _other(self, service: Service) -> Service:
        """
        The same server under another name, so that its schema is another.
        """
        return replace(service, name=f'odd "{service.name}" {{}}')

    def test_nothing_is_left(self, other: Service) -> None:
        """
        The server's schemas are the same before and after; cleaning twice, or without preparing, does no harm.
        """
        before = schemas(other)
        with closing(open_session(other)) as session:
            session.clean()
            session.prepare()
            during = schemas(other)
            session.prepare()
            session.clean()
            session.clean()

        assert len(before) + 1 == len(during)
        assert before == schemas(other)

    def test_what_a_killed_visit_left_is_replaced(self, other: Service) -> None:
        """
        A visit that never cleaned does not stop the next one.
        """
        before = schemas(other)
        with closing(open_session(other)) as killed:
            killed.prepare()
        with closing(open_session(other)) as session:
            session.prepare()
            session.clean()

        assert before == schemas(other)

    def test_cleaning_survives_a_broken_connection(self, running_stack: Stack) -> None:
        """
        A session whose own connection was ended still removes its schema.
        """
        service = replace(running_stack.service("postgresql"), name="broken")
        before = schemas(service)
        with closing(open_session(service)) as session:
            session.prepare()
            ask(service, f"SELECT pg_terminate_backend({session._own.driver.info.backend_pid}, 2000)")
            with pytest.raises(ServiceUnreachable):
                session.facts()
            session.clean()

        assert before == schemas(service)

    def test_a_foreign_schema_is_refused_and_untouched(self, service: Service) -> None:
        """
        A schema of our name without our comment stops the visit, and is still there after cleaning.
        """
        other = replace(service, name="foreign")
        ask(other, "CREATE SCHEMA devperf_foreign")
        ask(other, "CREATE TABLE devperf_foreign.precious AS SELECT 42 AS answer")
        try:
            with closing(open_session(other)) as session:
                with pytest.raises(ServiceRefused, match='schema "devperf_foreign" should not exist'):
                    session.prepare()
                session.clean()
            assert ask(other, "SELECT answer FROM devperf_foreign.precious") == [(42,)]
        finally:
            ask(other, "DROP SCHEMA devperf_foreign CASCADE")

    def test_a_locked_table_ends_in_time(self, running_stack: Stack) -> None:
        """
        A lock that somebody else holds on our table ends the set-up within the deadline, and says so.
        """
        service = replace(running_stack.service("postgresql"), name="locked")
        with closing(open_session(service)) as session, closing(open_session(service)) as holder:
            session.prepare()
            with holder._own.driver.transaction():
                holder._own.driver.execute("LOCK TABLE devperf_locked.updated")
                began = time.monotonic()
                with pytest.raises(ServiceRefused, match="statement timeout"):
                    session.clean()
                assert time.monotonic() - began < 10
            session.clean()


@pytest.mark.servers
class TestRefusals:
    def test_wrong_password(self, service: Service) -> None:
        """
        A wrong password is refused with the user's name and the address, never with the password.
        """
        assert service.credentials is not None
        wrong = replace(service, credentials=Credentials(service.credentials.username, "wr0ng'\"%@ä"))
        with pytest.raises(ServiceRefused, match=f"{service.name} at {service.address}") as caught:
            open_session(wrong)

        assert service.credentials.username in str(caught.value)
        assert "wr0ng" not in str(caught.value)

    def test_no_privilege(self, running_stack: Stack) -> None:
        """
        A user who may not create a schema is told what the server said.
        """
        service = running_stack.service("postgresql")
        ask(service, "CREATE ROLE devperf_poor LOGIN PASSWORD 'poor'")
        try:
            poor = replace(service, name="poor", credentials=Credentials("devperf_poor", "poor"))
            with (
                closing(open_session(poor)) as session,
                pytest.raises(ServiceRefused, match="permission denied"),
            ):
                session.prepare()
        finally:
            ask(service, "DROP ROLE devperf_poor")


def stranger(address: Address) -> Service:
    return Service(
        name="pg",
        kind="postgresql",
        addresses=(address,),
        credentials=Credentials("me", "mine"),
        database="x",
    )


Stranger = Callable[[], AbstractContextManager[Address]]


class TestStrangers:
    def test_nobody(self) -> None:
        """
        A closed port is told with its address and what to do.
        """
        with (
            nobody() as address,
            pytest.raises(ServiceUnreachable, match=f"pg at {address} .*Start the server"),
        ):
            open_session(stranger(address))

    @pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"-ERR unknown command\r\n"])
    def test_another_protocol(self, words: bytes) -> None:
        """
        What was heard is told.
        """
        with talker(words) as address, pytest.raises(WrongAnswer, match=words.decode().strip()):
            open_session(stranger(address))

    @pytest.mark.servers  # they take the whole deadline
    @pytest.mark.parametrize(
        ("who", "error", "says"),
        [(silence, ServiceUnreachable, "within 3 s"), (web_server, WrongAnswer, "HTTP/1.0 501")],
    )
    def test_ends_in_time(self, who: Stranger, error: type[Exception], says: str) -> None:
        """
        Who accepts and never answers, or waits for HTTP, is given up within 10 seconds.
        """
        began = time.monotonic()
        with who() as address, pytest.raises(error, match=says):
            open_session(stranger(address))

        assert time.monotonic() - began < 10
