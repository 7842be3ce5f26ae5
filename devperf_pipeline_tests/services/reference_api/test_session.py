import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest
from redis import Redis

from devperf_pipeline.errors import ServiceUnreachable, WrongAnswer
from devperf_pipeline.measure.engine import drive_one, driver_of
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.model import Address, Outcome, Service, Stack
from devperf_pipeline.services.http.client import HttpClient
from devperf_pipeline.services.http.connection import HttpConnection
from devperf_pipeline.services.operation import FLOOR, Operation
from devperf_pipeline.services.reference_api.session import ReferenceApiSession, open_session
from devperf_pipeline_tests.services.fake_apis import Reply, Request, foreign_api, serving
from devperf_pipeline_tests.services.sessions import prepared_session, running

CALLS = 30
Serve = Callable[[bytes], Address]

VAULT = ["get-health-vault", "get-examples-vault-secret-postgres"]
"""What needs a Vault, which takes minutes to build and may be missing."""

MEASURED = [
    FLOOR,
    "get-root",
    "get-health",
    "get-health-all",
    *VAULT[:1],
    "get-health-postgres",
    *VAULT[1:],
    "get-examples-database-postgres-query",
    "get-examples-cache-key",
    "post-examples-cache-key",
    "delete-examples-cache-key",
    "post-examples-messaging-publish-queue",
]


def described(address: Address) -> Service:
    return Service(name="fastapi", kind="fastapi", addresses=(address,))


@pytest.fixture(name="serve")
def _serve() -> Iterator[Serve]:
    """A server that says the same to everybody, then ends the connection."""
    listeners: list[socket.socket] = []

    def serve(said: bytes) -> Address:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer() -> None:
            try:
                while True:
                    with listener.accept()[0] as connection:
                        connection.recv(65_536)
                        connection.sendall(said)
            except OSError:
                return

        threading.Thread(target=answer, daemon=True).start()
        return Address(*listener.getsockname())

    yield serve
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


class TestOpenSession:
    def test_closed_port(self) -> None:
        """Where nothing listens the service is unreachable, and the message says where."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = Address(*listener.getsockname())
        with pytest.raises(ServiceUnreachable, match=f"expected a server at {address}"):
            open_session(described(address))

    @pytest.mark.parametrize(
        "said",
        [
            b"-ERR unknown command\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
            b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n["name", "x"]',
        ],
    )
    def test_something_else(self, serve: Serve, said: bytes) -> None:
        """Another server is told from a reference API, and what it said is in the message."""
        with pytest.raises(WrongAnswer, match=r"expected FastAPI, code-first at 127\.0\.0\.1"):
            open_session(described(serve(said)))


class TestAssume:
    def test_asks_what_changes_nothing(self) -> None:
        """A dry run refuses routes that answer wrongly, and takes those that change something as they are."""
        asked: set[tuple[str, str]] = set()

        def answering(request: Request) -> Reply:
            asked.add((request.method, request.path))
            if request.path == "/health/vault":
                return 503, {}, {"error": "vault is not configured"}
            return foreign_api(request)

        with serving(answering) as address:
            session = open_session(described(address))
            try:
                session.assume()
                names = [operation.name for operation in session.operations()]
            finally:
                session.close()

        assert {"GET"} == {method for method, _ in asked}
        assert not any("devperf" in path for _, path in asked)
        assert "expected status 200, found 503" in session.unmeasurable["GET /health/vault"]
        assert "get-health-vault" not in names
        assert {"get-health", "post-examples-cache-key", "delete-examples-cache-key"} <= set(names)

    @pytest.mark.parametrize("begin", [ReferenceApiSession.assume, ReferenceApiSession.prepare])
    def test_refuses_an_api_without_a_right_answer(
        self, begin: Callable[[ReferenceApiSession], None]
    ) -> None:
        """An API that answers no route right is refused in a dry run as in a run."""

        def answering(request: Request) -> Reply:
            return (200, {}, {"version": "1"}) if request.path == "/" else (404, {}, {})

        with serving(answering) as address:
            session = open_session(described(address))
            try:
                with pytest.raises(WrongAnswer, match="answers no route so that it could be measured"):
                    begin(session)
            finally:
                session.close()


@pytest.fixture(name="session", scope="module")
def _session(running_stack: Stack) -> Iterator[ReferenceApiSession]:
    session = open_session(running_stack.service("fastapi"))
    session.prepare()
    yield session
    session.clean()
    session.close()


def by_name(session: ReferenceApiSession, name: str) -> Operation:
    return next(operation for operation in session.operations() if operation.name == name)


def drive(
    operation: Operation, connection: HttpConnection, instrument: str
) -> tuple[Sequence[int], list[str]]:
    """Outcomes of some calls, and what is wrong with the kept replies."""
    assert operation.reset is None or operation.reset(1, CALLS) is None
    assert operation.wire is not None
    assert operation.driver is not None
    if instrument == "engine":
        driver = driver_of(operation.wire(connection, 0, CALLS), finite=operation.finite)
    else:
        driver = operation.driver(connection, 0, CALLS)
    recorder = Recorder()
    kept = drive_one(driver, recorder, seconds=5, calls=CALLS).replies
    assert recorder.length == CALLS
    return list(recorder.outcome[:CALLS]), [wrong for reply in kept if (wrong := driver.verify(reply))]


@pytest.mark.servers
class TestReferenceApiSession:
    def test_facts(self, session: ReferenceApiSession) -> None:
        """Product, version and the way in which health is gathered come from the running API."""
        facts = session.facts()
        assert facts.product.startswith(f"FastAPI {facts.version} (uvicorn ")
        assert facts.settings["aggregation"] == "sequential"

    def test_operations(self, running_stack: Stack, session: ReferenceApiSession) -> None:
        """The floor, then every published row whose dependency is there; the others say what is missing."""
        absent = VAULT if "vault" in running_stack.missing else []
        measured = [name for name in MEASURED if name not in absent]
        assert measured == [operation.name for operation in session.operations()]
        expected = dict.fromkeys(
            ("GET /health/vault", "GET /examples/vault/secret/postgres") if absent else (),
            "expected status 200, found 503: vault is not configured",
        )
        assert expected == session.unmeasurable

    @pytest.mark.parametrize("instrument", ["engine", "driver"])
    @pytest.mark.parametrize("name", MEASURED)
    def test_every_call_is_right(
        self, running_stack: Stack, session: ReferenceApiSession, name: str, instrument: str
    ) -> None:
        """Each operation can be measured with either instrument, round after round, and is answered right."""
        if name in VAULT and "vault" in running_stack.missing:
            pytest.skip(running_stack.missing["vault"])
        connection = session.connect()
        try:
            for _ in range(2):
                outcomes, wrong = drive(by_name(session, name), connection, instrument)
                assert ([Outcome.OK] * CALLS, []) == (outcomes, wrong)
        finally:
            connection.close()

    def test_delete_of_nothing_is_wrong(self, session: ReferenceApiSession) -> None:
        """A key can be deleted once: the second time the answer is not taken for a measurement."""
        connection, operation = session.connect(), by_name(session, "delete-examples-cache-key")
        try:
            drive(operation, connection, "engine")
            assert operation.wire is not None
            driver = driver_of(operation.wire(connection, 0, 1), finite=True)
            assert Outcome.WRONG == driver.check(driver.call(0))
        finally:
            connection.close()

    def test_next_run_removes_what_a_killed_one_stored(self, running_stack: Stack) -> None:
        """Our key has one name, so the next run finds it, with or without knowing where the API keeps it."""
        service = replace(running_stack.service("fastapi"), name="killed")
        for again in (service, running_stack.with_behind(service)):
            first = open_session(service)
            first.prepare()
            first._own.store()
            first.close()
            second = open_session(again)
            before = second._client.ask("GET", second._api.names.path).status
            second.clean()
            after = second._client.ask("GET", second._api.names.path).status
            second.close()

            assert (200, 404) == (before, after)

    def test_key_is_written_where_the_api_keeps_it(self, running_stack: Stack) -> None:
        """Where the stack names the API's cache, our key is written there, and the API is asked nothing for it."""
        if "redis_cluster" in running_stack.missing:
            pytest.skip(running_stack.missing["redis_cluster"])
        service = replace(running_stack.service("fastapi"), name="direct")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closed = Address(*listener.getsockname())
        with prepared_session(open_session(running_stack.with_behind(service))) as session:
            session._own._client = HttpClient("nobody", closed)
            session._own.store()
            found = session._client.ask("GET", session._api.names.path)
            session._own._client = session._client

        assert b"measured by devperf" in found.body

    def test_another_redis_is_not_taken_for_its_cache(self, running_stack: Stack) -> None:
        """An API that does not answer with what lies in a Redis of the stack is asked itself, and nothing is left there."""
        redis = running(running_stack, "redis")
        service = replace(running_stack.service("fastapi"), name="elsewhere", behind=(redis,))
        with prepared_session(open_session(service)) as session:
            session._own.store()
            stored = session._client.ask("GET", session._api.names.path).status
            assert redis.credentials
            host, port = redis.address.host, redis.address.port
            with closing(Redis(host=host, port=port, password=redis.credentials.password)) as client:
                left = client.exists(session._api.names.key)

        assert (200, 0) == (stored, left)

    def test_clean_leaves_nothing(self, running_stack: Stack) -> None:
        """After a session neither our key nor our queue is there, nor our own server; a second cleaning is harmless."""
        session = open_session(running_stack.service("fastapi"))
        try:
            session.prepare()
            floor = session._floor.server
            for name in ("post-examples-cache-key", "post-examples-messaging-publish-queue"):
                connection = session.connect()
                drive(by_name(session, name), connection, "engine")
                connection.close()
            session.clean()
            session.clean()
            assert session._client.ask("GET", f"/examples/cache/{session._api.names.key}").status == 404
            left = session._client.ask("DELETE", f"/examples/messaging/queue/{session._api.names.queue}")
            assert b'"messages":0' in left.body
            with socket.socket() as probe:
                assert probe.connect_ex((floor.address.host, floor.address.port)) != 0
        finally:
            session.close()
