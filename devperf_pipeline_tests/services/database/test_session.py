import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from devperf_pipeline.errors import ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Address, Credentials, Outcome, Service, Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.mongodb import cleanup as mongodb
from devperf_pipeline.services.mysql import cleanup as mysql
from devperf_pipeline_tests import administrators
from devperf_pipeline_tests.administrators import ask
from devperf_pipeline_tests.services.sessions import running
from devperf_pipeline_tests.services.wrong_endpoints import (
    greeting_server,
    refusing_port,
    silent_server,
    web_server,
)

KINDS = ("postgresql", "pgbouncer", "mysql", "mongodb")
OWN_SOCKET = ("postgresql", "mysql", "mongodb")
"""Those whose connection is the server's own, so that an administrator can end it; PgBouncer keeps ours open."""

TAKEN = "devperf_foreign"

FOREIGN = {
    "postgresql": f'schema "{TAKEN}" should not exist.* does not carry our comment',
    "pgbouncer": f'schema "{TAKEN}" should not exist.* does not carry our comment',
    "mysql": f"database {TAKEN} should not exist.* does not hold our table {mysql.MARKER}",
    "mongodb": f"database {TAKEN} should not exist.* does not hold our collection {mongodb.MARKER}",
}


def open_session(service: Service) -> Any:
    return CATALOGUE[service.kind].open_session(service)


def spaces(service: Service) -> dict[str, Any]:
    """Every schema or database of a server; of MongoDB with its collections."""
    if service.kind == "mongodb":
        with administrators.mongodb(service) as admin:
            return {name: sorted(admin[name].list_collection_names()) for name in admin.list_database_names()}
    asked = {"mysql": "SHOW DATABASES"}
    found = ask(
        service,
        asked.get(service.kind, "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'"),
    )
    return {name: None for (name,) in found}


def end(service: Service, connection: Any) -> None:
    """End one of our connections as the server would."""
    if service.kind == "mongodb":
        connection.socket.shutdown(2)
    elif service.kind == "mysql":
        ask(service, f"KILL CONNECTION {connection.driver.thread_id()}")
    else:
        ask(service, f"SELECT pg_terminate_backend({connection.driver.info.backend_pid}, 2000)")


@contextmanager
def foreign_space(service: Service) -> Iterator[Callable[[], Any]]:
    """A space of our name that somebody else made, and what it holds."""
    if service.kind == "mongodb":
        with administrators.mongodb(service) as admin:
            admin[TAKEN].precious.insert_one({"_id": 42})
            try:
                yield lambda: [(each["_id"],) for each in admin[TAKEN].precious.find()]
            finally:
                admin.drop_database(TAKEN)
        return
    kind, end = ("DATABASE", "") if service.kind == "mysql" else ("SCHEMA", "CASCADE")
    ask(service, f"CREATE {kind} {TAKEN}")
    try:
        ask(service, f"CREATE TABLE {TAKEN}.precious AS SELECT 42 AS answer")
        yield lambda: ask(service, f"SELECT answer FROM {TAKEN}.precious")  # noqa: S608 - our own name
    finally:
        ask(service, f"DROP {kind} {TAKEN} {end}")


@pytest.fixture(scope="module", name="service")
def _service(running_stack: Stack, request: pytest.FixtureRequest) -> Service:
    """A running server under a name of its own, which becomes part of what we make there."""
    service = running(running_stack, request.param)
    return replace(service, name=f"{service.name}_other")


@pytest.mark.servers
@pytest.mark.parametrize("service", KINDS, indirect=True)
class TestCleaning:
    def test_nothing_is_left(self, service: Service) -> None:
        """What the server holds is the same before and after; cleaning twice, or without preparing, does no harm."""
        before = spaces(service)
        with closing(open_session(service)) as session:
            session.clean()
            session.prepare()
            during = spaces(service)
            session.prepare()
            session.clean()
            session.clean()

        assert len(before) + 1 == len(during)
        assert before == spaces(service)

    def test_what_a_killed_run_left_is_replaced(self, service: Service) -> None:
        """A session that never cleaned does not stop the next one."""
        before = spaces(service)
        with closing(open_session(service)) as killed:
            killed.prepare()
        with closing(open_session(service)) as session:
            session.prepare()
            session.clean()

        assert before == spaces(service)

    def test_a_foreign_space_is_told_refused_and_untouched(self, service: Service) -> None:
        """A space of our name without our mark is told beforehand, stops the session, and is still there after cleaning."""
        foreign = replace(service, name="foreign")
        with foreign_space(foreign) as held, closing(open_session(foreign)) as session:
            told = [
                said for said in session.preflight() if "that this project did not make: rename it" in said
            ]
            with pytest.raises(ServiceRefused, match=FOREIGN[service.kind]):
                session.prepare()
            session.clean()

            assert 1 == len(told)
            assert [(42,)] == held()


@pytest.mark.servers
@pytest.mark.parametrize("service", OWN_SOCKET, indirect=True)
class TestBrokenConnection:
    def test_does_not_stop_cleaning(self, service: Service) -> None:
        """A session whose own connection was ended still removes its space."""
        before = spaces(service)
        with closing(open_session(service)) as session:
            session.prepare()
            end(service, session._own)
            if service.kind != "mongodb":  # whose driver connects again unasked
                with pytest.raises(ServiceUnreachable):
                    session.facts()
            session.clean()

        assert before == spaces(service)

    def test_loses_its_call(self, service: Service) -> None:
        """A call whose connection was ended is lost."""
        with closing(open_session(service)) as session, closing(session.connect()) as connection:
            driver = session.operations()[0].driver(connection, 0, 1)
            end(service, connection)
            with pytest.raises(driver.exceptions) as caught:
                driver.call(0)

            assert Outcome.LOST == driver.failure(caught.value)


@pytest.mark.servers
class TestRefusals:
    @pytest.mark.parametrize("service", KINDS, indirect=True)
    def test_wrong_password(self, service: Service) -> None:
        """A wrong password is refused with the user's name, the address and what to do, never with the password."""
        assert service.credentials is not None
        wrong = replace(
            service, name="wrong", credentials=Credentials(service.credentials.username, "wr0ng'\"%@ä")
        )
        with pytest.raises(ServiceRefused, match=f"wrong at {service.address}") as caught:
            open_session(wrong)

        assert service.credentials.username in str(caught.value)
        assert "stack file" in str(caught.value)
        assert "wr0ng" not in str(caught.value)


def wrong_endpoint(kind: str, address: Address) -> Service:
    return Service(
        name="it", kind=kind, addresses=(address,), credentials=Credentials("me", "mine"), database="x"
    )


Endpoint = Callable[[], AbstractContextManager[Address]]


@pytest.mark.parametrize("kind", OWN_SOCKET)
class TestStrangers:
    def test_nobody(self, kind: str) -> None:
        """A closed port is told with its address and what to do."""
        with (
            refusing_port() as address,
            pytest.raises(ServiceUnreachable, match=f"^it.* {address}.*Start (the server|it)"),
        ):
            open_session(wrong_endpoint(kind, address))

    @pytest.mark.parametrize(
        "words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail.example ESMTP\r\n", b"-ERR unknown command\r\n"]
    )
    def test_another_protocol(self, kind: str, words: bytes) -> None:
        """What was received is told."""
        with greeting_server(words) as address, pytest.raises(WrongAnswer, match=words.decode().strip()):
            open_session(wrong_endpoint(kind, address))

    @pytest.mark.servers  # they take the whole deadline
    @pytest.mark.parametrize(
        ("who", "error", "says"),
        [(silent_server, ServiceUnreachable, "within 3 s"), (web_server, WrongAnswer, r"HTTP/1\.0 501|HTML")],
    )
    def test_ends_in_time(self, kind: str, who: Endpoint, error: type[Exception], says: str) -> None:
        """Who accepts and never answers, or waits for HTTP, is given up within 10 seconds."""
        began = time.monotonic()
        with who() as address, pytest.raises(error, match=says):
            open_session(wrong_endpoint(kind, address))

        assert time.monotonic() - began < 10
