import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any

import pymysql
import pytest

from devperf_pipeline.errors import ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.measure.engine import blocking, exchange
from devperf_pipeline.model import Address, Credentials, Outcome, Service, Stack
from devperf_pipeline.services.mysql import MARKER, MysqlSession, open_session
from devperf_pipeline_tests.services.calls import CALLS, RIGHT, by_driver, by_engine, named
from devperf_pipeline_tests.services.strangers import nobody, silence, talker, web_server

TITLES = {
    "floor": "COM_PING",
    "insert": "INSERT (single row)",
    "select-by-key": "SELECT (by primary key)",
    "full-scan": "SELECT (full scan, 10k rows)",
    "update": "UPDATE (single row)",
    "delete": "DELETE (single row)",
    "transaction": "Transaction (5 operations)",
}


def ask(service: Service, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """
    What an administrator sees, beside the session that is tested.
    """
    assert service.credentials is not None
    with (
        closing(
            pymysql.connect(
                host=service.address.host,
                port=service.address.port,
                user=service.credentials.username,
                password=service.credentials.password.encode(),
                charset="utf8mb4",
                autocommit=True,
            )
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query, arguments or None)
        return list(cursor.fetchall())


@pytest.fixture(scope="module", name="service")
def _service(running_stack: Stack) -> Service:
    return running_stack.service("mysql")


@pytest.fixture(name="session")
def _session(service: Service) -> Iterator[MysqlSession]:
    session = open_session(service)
    session.prepare()
    yield session
    session.clean()
    session.close()


@pytest.mark.servers
class TestOperations:
    def test_titles(self, session: MysqlSession) -> None:
        """
        The floor comes first, then the published operations under their published titles.
        """
        assert list(TITLES.items()) == [(each.name, each.title) for each in session.operations()]

    @pytest.mark.parametrize("name", TITLES)
    def test_engine(self, session: MysqlSession, name: str) -> None:
        """
        Every call of two users is answered right, to the last value.
        """
        with closing(session.connect()) as one, closing(session.connect()) as two:
            assert [RIGHT] * (2 * CALLS) == by_engine(named(session, name), [one, two])

    @pytest.mark.parametrize("name", TITLES)
    def test_driver_after_engine_on_one_connection(self, session: MysqlSession, name: str) -> None:
        """
        The driver gives right answers on a connection whose socket the engine used before, and gives it back.
        """
        with closing(session.connect()) as connection:
            for through in (by_engine, by_driver, by_engine, by_driver):
                assert [RIGHT] * CALLS == through(named(session, name), [connection])

    def test_delete_twice_is_wrong(self, session: MysqlSession) -> None:
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

    def test_a_refill_of_any_size_is_exact(self, service: Service, session: MysqlSession) -> None:
        """
        As many rows are laid in as will be consumed, with consecutive keys.
        """
        op = named(session, "delete")
        assert op.reset is not None
        for users, size in ((1, 1), (1, 9), (1, 10), (3, 37), (5, 2_000)):
            op.reset(users, size)
            count = users * size

            assert [(count, 1, count)] == ask(
                service, "SELECT COUNT(*), MIN(id), MAX(id) FROM devperf.deleted"
            )

    def test_errors_are_counted(self, service: Service, session: MysqlSession) -> None:
        """
        Without its table an operation ends in errors, by engine and by driver, and works again afterwards.
        """
        op = named(session, "select-by-key")
        assert op.wire is not None
        assert op.driver is not None
        with closing(session.connect()) as connection:
            wire = op.wire(connection, 0, CALLS)
            ask(service, "RENAME TABLE devperf.items TO devperf.hidden")
            blocking(wire.sockets)
            replies = exchange(wire.sockets, wire.calls[0])
            assert wire.check(replies) == Outcome.ERROR
            assert "doesn't exist" in str(wire.verify(replies))
            driver = op.driver(connection, 0, CALLS)
            with pytest.raises(driver.exceptions) as caught:
                driver.call(0)
            assert driver.failure(caught.value) == Outcome.ERROR
            ask(service, "RENAME TABLE devperf.hidden TO devperf.items")
            assert driver.check(driver.call(1)) == Outcome.OK

    def test_a_broken_connection_is_lost(self, service: Service, session: MysqlSession) -> None:
        """
        A call whose connection was killed is lost.
        """
        floor = session.operations()[0]
        assert floor.driver is not None
        with closing(session.connect()) as connection:
            driver = floor.driver(connection, 0, 1)
            ask(service, f"KILL CONNECTION {connection.driver.thread_id()}")
            with pytest.raises(driver.exceptions) as caught:
                driver.call(0)
            assert driver.failure(caught.value) == Outcome.LOST

    def test_a_call_without_an_answer_ends(self, service: Service, session: MysqlSession) -> None:
        """
        A call that waits for a lock longer than the deadline is a timeout.
        """
        op = named(session, "update")
        assert op.driver is not None
        with closing(session.connect()) as connection, closing(open_session(service)) as holder:
            driver = op.driver(connection, 0, CALLS)
            holder._run("BEGIN", "SELECT id FROM devperf.updated FOR UPDATE")
            with pytest.raises(driver.exceptions) as caught:
                driver.call(0)
            holder._run("ROLLBACK")
            assert driver.failure(caught.value) == Outcome.TIMEOUT


@pytest.mark.servers
class TestFacts:
    def test_what_runs(self, service: Service, session: MysqlSession) -> None:
        """
        Product, version and settings are those of the running server, and MariaDB is named so.
        """
        facts = session.facts()
        said = ask(service, "SELECT VERSION()")[0][0]

        assert said.startswith(facts.version)
        assert facts.product.startswith("MariaDB") == ("MariaDB" in said)
        assert facts.settings["max_connections"] == str(ask(service, "SELECT @@max_connections")[0][0])
        assert facts.settings["innodb_flush_log_at_trx_commit"] == "1"


@pytest.mark.servers
class TestCleaning:
    def test_nothing_is_left(self, service: Service) -> None:
        """
        The server's databases are the same before and after; cleaning twice, or without preparing, does no harm.
        """
        before = ask(service, "SHOW DATABASES")
        with closing(open_session(service)) as session:
            session.clean()
            session.prepare()
            during = ask(service, "SHOW DATABASES")
            session.prepare()
            session.clean()
            session.clean()

        assert len(before) + 1 == len(during)
        assert before == ask(service, "SHOW DATABASES")

    def test_what_a_killed_visit_left_is_replaced(self, service: Service) -> None:
        """
        A visit that never cleaned does not stop the next one.
        """
        before = ask(service, "SHOW DATABASES")
        with closing(open_session(service)) as killed:
            killed.prepare()
        with closing(open_session(service)) as session:
            session.prepare()
            session.clean()

        assert before == ask(service, "SHOW DATABASES")

    def test_cleaning_survives_a_broken_connection(self, service: Service) -> None:
        """
        A session whose own connection was killed still removes its database.
        """
        before = ask(service, "SHOW DATABASES")
        with closing(open_session(service)) as session:
            session.prepare()
            ask(service, f"KILL CONNECTION {session._own.driver.thread_id()}")
            with pytest.raises(ServiceUnreachable):
                session.facts()
            session.clean()

        assert before == ask(service, "SHOW DATABASES")

    def test_a_foreign_database_is_refused_and_untouched(self, service: Service) -> None:
        """
        A database of our name without our table stops the visit, and is still there after cleaning.
        """
        ask(service, "CREATE DATABASE devperf")
        ask(service, "CREATE TABLE devperf.precious AS SELECT 42 AS answer")
        try:
            with closing(open_session(service)) as session:
                with pytest.raises(ServiceRefused, match=f"does not hold our table {MARKER}"):
                    session.prepare()
                session.clean()
            assert ask(service, "SELECT answer FROM devperf.precious") == [(42,)]
        finally:
            ask(service, "DROP DATABASE devperf")


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

    def test_odd_passwords_and_no_privilege(self, service: Service) -> None:
        """
        Quotes, spaces, percent and at signs, backslashes and letters beyond Latin-1 let a user in;
        without privileges he is told which he needs.
        """
        password = "p'w \"%@:/\\ äλ"
        ask(service, "CREATE USER devperf_poor@'%%' IDENTIFIED BY %s", password)
        try:
            poor = replace(service, credentials=Credentials("devperf_poor", password))
            with closing(open_session(poor)) as session:
                assert session.facts().version
                with pytest.raises(ServiceRefused, match=r"GRANT ALL ON devperf\.\*"):
                    session.prepare()
        finally:
            ask(service, "DROP USER devperf_poor@'%'")


def stranger(address: Address) -> Service:
    return Service(name="my", kind="mysql", addresses=(address,), credentials=Credentials("me", "mine"))


Stranger = Callable[[], AbstractContextManager[Address]]


class TestStrangers:
    def test_nobody(self) -> None:
        """
        A closed port is told with its address and what to do.
        """
        with (
            nobody() as address,
            pytest.raises(ServiceUnreachable, match=f"my at {address} .*Start the server"),
        ):
            open_session(stranger(address))

    @pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail.example ESMTP\r\n"])
    def test_another_protocol(self, words: bytes) -> None:
        """
        What was heard is told.
        """
        with talker(words) as address, pytest.raises(WrongAnswer, match=words.decode().strip()):
            open_session(stranger(address))

    def test_a_greeting_that_breaks_off(self) -> None:
        """
        A packet that only begins like a greeting is a wrong answer, not a crash.
        """
        with (
            talker(b"\x05\x00\x00\x00\x0a8.0.") as address,
            pytest.raises(WrongAnswer, match="MySQL's protocol"),
        ):
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
