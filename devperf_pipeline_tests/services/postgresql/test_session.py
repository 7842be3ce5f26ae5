import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.model import Credentials, Service, Stack
from devperf_pipeline.services.postgresql.session import PostgresSession, open_session
from devperf_pipeline_tests.administrators import ask
from devperf_pipeline_tests.services.calls import CALLS, RIGHT, by_driver, failed, named
from devperf_pipeline_tests.services.sessions import prepared_session, running


@pytest.fixture(scope="module", params=["postgresql", "pgbouncer"], name="service")
def _service(running_stack: Stack, request: pytest.FixtureRequest) -> Service:
    return running(running_stack, request.param)


@pytest.fixture(scope="module", name="session")
def _session(service: Service) -> Iterator[PostgresSession]:
    with prepared_session(open_session(service)) as session:
        yield session


@pytest.mark.servers
class TestOperations:
    def test_errors_are_counted(self, service: Service, session: PostgresSession) -> None:
        """Without its table an operation ends in errors, by engine and by driver, and works again afterwards."""
        op = named(session, "select-by-key")
        assert op.wire is not None
        space = f"devperf_{service.name}"
        with closing(session.connect()) as connection:
            wire = op.wire(connection, 0, CALLS)
            ask(service, f"ALTER TABLE {space}.items RENAME TO hidden")
            try:
                assert "does not exist" in str(failed(op, wire, connection))
            finally:
                ask(service, f"ALTER TABLE {space}.hidden RENAME TO items")
            assert [RIGHT] * CALLS == by_driver(op, [connection])


@pytest.mark.servers
class TestFacts:
    def test_what_runs(self, service: Service, session: PostgresSession) -> None:
        """Product, version and settings are those of the running server."""
        facts = session.facts()
        version = ask(service, "SHOW server_version")[0][0].split()[0]

        assert version == facts.version
        assert facts.product.startswith(f"PostgreSQL {version}")
        assert (" behind PgBouncer " in facts.product) == (service.kind == "pgbouncer")
        assert facts.settings["shared_buffers"] == ask(service, "SHOW shared_buffers")[0][0]
        assert facts.settings["statements"].startswith("unnamed" if service.kind == "pgbouncer" else "named")

    def test_a_pooler_that_is_none(self, running_stack: Stack) -> None:
        """What is called PgBouncer in a stack file and is not is measured as what it is, and said to be no PgBouncer."""
        direct = replace(running(running_stack, "postgresql"), name="direct", kind="pgbouncer")
        with closing(open_session(direct)) as session:
            product, warnings = session.facts().product, session.preflight()

        assert product.endswith(" behind no PgBouncer that can be seen")
        assert any("PgBouncer does not answer here" in each for each in warnings)


@pytest.mark.servers
class TestCleaning:
    def test_a_locked_table_ends_in_time(self, running_stack: Stack) -> None:
        """A lock that somebody else holds on our table ends the set-up within the deadline, and says so."""
        service = replace(running_stack.service("postgresql"), name="locked")
        with closing(open_session(service)) as session, closing(open_session(service)) as holder:
            session.prepare()
            with holder._own.driver.transaction():
                holder._own.driver.execute("LOCK TABLE devperf_locked.updated")
                began = time.monotonic()
                with pytest.raises(ServiceRefused, match="statement timeout"):
                    session.clean()
                assert time.monotonic() - began < 20
            session.clean()


@pytest.mark.servers
class TestRefusals:
    def test_no_privilege(self, running_stack: Stack) -> None:
        """A user who may not create a schema is told what the server said."""
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
