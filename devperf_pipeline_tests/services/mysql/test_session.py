from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from devperf_pipeline.errors import ServiceRefused, WrongAnswer
from devperf_pipeline.model import Credentials, Outcome, Service, Stack
from devperf_pipeline.services.mysql.session import MysqlSession, open_session
from devperf_pipeline_tests.administrators import ask
from devperf_pipeline_tests.services.calls import CALLS, RIGHT, by_driver, failed, named
from devperf_pipeline_tests.services.sessions import prepared_session, running
from devperf_pipeline_tests.services.wrong_endpoints import greeting_server


@pytest.fixture(scope="module", name="service")
def _service(running_stack: Stack) -> Service:
    return running(running_stack, "mysql")


@pytest.fixture(name="session")
def _session(service: Service) -> Iterator[MysqlSession]:
    with prepared_session(open_session(service)) as session:
        yield session


@pytest.mark.servers
class TestOperations:
    def test_a_refill_of_any_size_is_exact(self, service: Service, session: MysqlSession) -> None:
        """As many rows are made as will be consumed, with consecutive keys."""
        op = named(session, "delete")
        assert op.reset is not None
        for users, size in ((1, 1), (1, 9), (1, 10), (3, 37), (5, 2_000)):
            op.reset(users, size)
            count = users * size

            assert [(count, 1, count)] == ask(
                service, "SELECT COUNT(*), MIN(id), MAX(id) FROM devperf.deleted"
            )

    def test_errors_are_counted(self, service: Service, session: MysqlSession) -> None:
        """Without its table an operation ends in errors, by engine and by driver, and works again afterwards."""
        op = named(session, "select-by-key")
        assert op.wire is not None
        with closing(session.connect()) as connection:
            wire = op.wire(connection, 0, CALLS)
            ask(service, "RENAME TABLE devperf.items TO devperf.hidden")
            assert "doesn't exist" in str(failed(op, wire, connection))
            ask(service, "RENAME TABLE devperf.hidden TO devperf.items")
            assert [RIGHT] * CALLS == by_driver(op, [connection])

    def test_a_call_without_an_answer_ends(self, service: Service, session: MysqlSession) -> None:
        """A call that waits for a lock longer than the deadline is a timeout."""
        op = named(session, "update")
        assert op.driver is not None
        with closing(session.connect()) as connection, closing(open_session(service)) as holder:
            driver = op.driver(connection, 0, CALLS)
            holder._rows("BEGIN")
            holder._rows("SELECT id FROM devperf.updated FOR UPDATE")
            with pytest.raises(driver.exceptions) as caught:
                driver.call(0)
            holder._rows("ROLLBACK")
            assert driver.failure(caught.value) == Outcome.TIMEOUT


@pytest.mark.servers
class TestFacts:
    def test_what_runs(self, service: Service, session: MysqlSession) -> None:
        """Product, version and settings are those of the running server, and MariaDB is named so."""
        facts = session.facts()
        said = ask(service, "SELECT VERSION()")[0][0]

        assert said.startswith(facts.version)
        assert facts.product.startswith("MariaDB") == ("MariaDB" in said)
        assert facts.settings["max_connections"] == str(ask(service, "SELECT @@max_connections")[0][0])
        assert facts.settings["innodb_flush_log_at_trx_commit"] == "1"


@pytest.mark.servers
class TestRefusals:
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


class TestStrangers:
    def test_a_greeting_that_breaks_off(self) -> None:
        """A packet that only begins like a greeting is a wrong answer, not a crash."""
        with (
            greeting_server(b"\x05\x00\x00\x00\x0a8.0.") as address,
            pytest.raises(WrongAnswer, match="MySQL's protocol"),
        ):
            open_session(Service(name="my", kind="mysql", addresses=(address,)))
