import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from devperf_pipeline.errors import ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.measure.engine import driver_of
from devperf_pipeline.model import Address, Credentials, Outcome, Service, Stack
from devperf_pipeline.services.operation import Driver, Operation
from devperf_pipeline.services.redis.connection import explanation
from devperf_pipeline.services.redis.session import RedisSession, open_session
from devperf_pipeline_tests.services.sessions import prepared_session, running
from devperf_pipeline_tests.services.wrong_endpoints import refusing_port, silent_server, web_server

CALLS = 20


@contextmanager
def speaker(words: bytes) -> Iterator[Address]:
    """Somebody who says the same to one guest, whatever it wants."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            guest, _ = server.accept()
            with guest, suppress(OSError):
                guest.sendall(words)
                guest.shutdown(socket.SHUT_WR)
                while guest.recv(4096):
                    pass

        thread = threading.Thread(target=speak)
        thread.start()
        yield Address(*server.getsockname())
        thread.join()


def prepared(operation: Operation, connection: Any, user: int, instrument: str) -> Driver:
    """One user's calls by either instrument."""
    assert operation.wire is not None
    assert operation.driver is not None
    if instrument == "driver":
        return operation.driver(connection, user, CALLS)
    return driver_of(operation.wire(connection, user, CALLS), finite=operation.finite)


def results(session: Any, name: str, instrument: str, users: int = 2) -> list[tuple[int, str | None]]:
    """Outcome and verdict of every call, user by user."""
    operation = {each.name: each for each in session.operations()}[name]
    if operation.reset is not None:
        operation.reset(users, CALLS)
    found: list[tuple[int, str | None]] = []
    for user in range(users):
        with closing(session.connect()) as connection:
            calls = prepared(operation, connection, user, instrument)
            for number in range(CALLS):
                answer = calls.call(number)
                found.append((calls.check(answer), calls.verify(answer)))
    return found


RIGHT = [(Outcome.OK, None)] * (2 * CALLS)


@pytest.fixture(scope="module", name="service")
def _service(running_stack: Stack) -> Service:
    return running(running_stack, "redis")


@pytest.fixture(scope="module", name="session")
def _session(service: Service) -> Iterator[RedisSession]:
    with prepared_session(open_session(service)) as session:
        yield session


@pytest.fixture(name="administrator")
def _administrator(service: Service) -> Iterator[Redis]:
    """What somebody else sees and does there."""
    assert service.credentials is not None
    with Redis(
        host=service.address.host,
        port=service.address.port,
        password=service.credentials.password,
        protocol=2,
    ) as client:
        yield client


@pytest.mark.servers
class TestOperations:
    def test_lay_in_again_what_was_lost(self, session: RedisSession, administrator: Redis) -> None:
        """A server that was restarted has lost its keys: the next round finds them again."""
        results(session, "get-hit", "engine")
        administrator.unlink(*administrator.scan_iter(match="devperf:redis:key:*", count=1000))

        assert RIGHT == results(session, "get-hit", "engine")

    def test_tell_a_miss_from_a_hit(self, session: RedisSession, administrator: Redis) -> None:
        """A key that is gone makes the call wrong, whichever instrument made it."""
        get = {each.name: each for each in session.operations()}["get-hit"]
        assert get.reset is not None
        get.reset(1, 1)
        administrator.unlink(*administrator.scan_iter(match="devperf:redis:key:*", count=1000))
        with closing(session.connect()) as connection:
            for instrument in ("engine", "driver"):
                calls = prepared(get, connection, 0, instrument)
                answer = calls.call(0)
                assert calls.check(answer) == Outcome.WRONG
                assert calls.verify(answer) == "GET (hit) answered None"

    def test_count_a_refusal_as_an_error(self, session: RedisSession, administrator: Redis) -> None:
        """A server that is full says so; its words are kept and the call is an error."""
        administrator.config_set("maxmemory", 1)
        try:
            with closing(session.connect()) as connection:
                operations = {each.name: each for each in session.operations()}
                reset = operations["del"].reset
                assert reset is not None
                with pytest.raises(ServiceRefused, match="used memory > 'maxmemory'"):
                    reset(1, CALLS)
                calls = prepared(operations["set"], connection, 0, "engine")
                assert calls.check(calls.call(0)) == Outcome.ERROR
        finally:
            administrator.config_set("maxmemory", 256 * 2**20)


@pytest.mark.servers
class TestFacts:
    def test_are_those_of_the_running_server(self, session: RedisSession, administrator: Redis) -> None:
        """Version and settings are what the server says."""
        facts = session.facts()
        version = administrator.info("server")["redis_version"]
        assert (f"Redis {version}", version) == (facts.product, facts.version)
        assert facts.settings["maxmemory"] == str(256 * 2**20)


@pytest.mark.servers
class TestClean:
    def test_leaves_what_is_not_ours(
        self, service: Service, administrator: Redis, session: RedisSession
    ) -> None:
        """After a session, and after one that was cut short, the keys are those that were there before."""
        session.clean()
        administrator.set("somebody:else", "kept")
        before = {key: administrator.dump(key) for key in administrator.scan_iter()}
        cut_short = open_session(service)
        cut_short.prepare()
        for operation in cut_short.operations():
            if operation.reset is not None:
                operation.reset(2, CALLS)
        assert administrator.dbsize() > len(before)
        cut_short.close()

        with closing(open_session(service)) as again:
            again.prepare()
            again.clean()
            again.clean()

        assert before == {key: administrator.dump(key) for key in administrator.scan_iter()}
        administrator.delete("somebody:else")
        session.prepare()

    def test_refuses_keys_of_somebody_else_under_our_prefix(
        self, service: Service, administrator: Redis
    ) -> None:
        """Keys under our prefix without our marker are refused and kept."""
        other = replace(service, name="other[1]*")
        administrator.set("devperf:other[1]*:key", "theirs")
        try:
            with closing(open_session(other)) as session:
                with pytest.raises(ServiceRefused, match="did not make"):
                    session.prepare()
                session.clean()
            assert administrator.get("devperf:other[1]*:key") == b"theirs"
        finally:
            administrator.delete("devperf:other[1]*:key")

    def test_refuses_a_wrong_password(self, service: Service) -> None:
        """The message says that the credentials are refused, and holds no password."""
        wrong = replace(service, credentials=Credentials("default", "wr%ng: 'ö'"))
        with pytest.raises(ServiceRefused, match="refuses our credentials") as caught:
            open_session(wrong)
        assert "wr%ng" not in str(caught.value)

    def test_takes_any_password(self, service: Service, administrator: Redis) -> None:
        """Quotes, spaces and other alphabets are part of a password."""
        password = "p@ss w/ö:\"x#'%"
        administrator.execute_command("ACL", "SETUSER", "odd", "on", f">{password}", "~*", "+@all")
        try:
            with closing(open_session(replace(service, credentials=Credentials("odd", password)))) as session:
                assert session.facts().product.startswith("Redis ")
        finally:
            administrator.execute_command("ACL", "DELUSER", "odd")


Endpoint = Callable[[], AbstractContextManager[Address]]


class TestWrongEndpoints:
    @pytest.mark.parametrize(
        ("endpoint", "error", "words"),
        [
            (refusing_port, ServiceUnreachable, "expected a server at"),
            (web_server, WrongAnswer, "found '"),
            (partial(speaker, b"+OK Dovecot ready.\r\n"), WrongAnswer, "found '\\+OK Dovecot"),
            (
                partial(speaker, b"-DENIED Redis is running in protected mode\r\n"),
                ServiceRefused,
                "protected mode",
            ),
            pytest.param(silent_server, ServiceUnreachable, "within 3 s", marks=pytest.mark.servers),
        ],
        ids=["refusing", "web server", "mail server", "protected", "silent"],
    )
    def test_are_named_in_time(self, endpoint: Endpoint, error: type[Exception], words: str) -> None:
        """Whoever else is at the address is told from Redis within the deadline."""
        began = monotonic()
        with endpoint() as address, pytest.raises(error, match=words):
            open_session(Service(name="redis", kind="redis", addresses=(address,)))
        assert monotonic() - began < 10


class TestExplanation:
    def test_never_repeats_the_password(self) -> None:
        """A server without AUTH sends its arguments back; the message has all of its words but that one."""
        address = Address("127.0.0.1", 6379)
        service = Service(
            name="redis", kind="redis", addresses=(address,), credentials=Credentials("me", "hunter2")
        )
        error = ResponseError("unknown command 'AUTH', with args beginning with: 'me' 'hunter2'")
        said = str(explanation(service, address, error))

        assert "args beginning with: 'me' '********'" in said
        assert "hunter2" not in said

    def test_a_proxy_that_hangs_up(self) -> None:
        """Who ends the connection is there: nobody is told to start it."""
        service = Service(name="redis", kind="redis", addresses=(Address("127.0.0.1", 6379),))
        error = RedisConnectionError("Connection closed by server.")
        said = str(explanation(service, service.address, error))

        assert said.startswith("redis at 127.0.0.1:6379 ends our connection. ")
        assert "Start it" not in said


@pytest.mark.servers
class TestGuest:
    def test_may_ask_for_the_block_and_nothing_else(
        self, session: RedisSession, service: Service, administrator: Redis
    ) -> None:
        """Any password lets the guest in; foreign keys and other commands are refused, and afterwards so is the guest."""
        host, port = service.address.host, service.address.port
        refused: list[str] = []
        with session.guest() as name, Redis(host=host, port=port, username=name, password="any") as guest:
            guest.set("key:__rand_int__", "1")
            for command in (("GET", "somebody"), ("FLUSHALL",), ("CONFIG", "SET", "save", "")):
                with pytest.raises(NoPermissionError):
                    guest.execute_command(*command)
                refused.append(command[0])
        with (
            Redis(host=host, port=port, username=name, password="any") as later,
            pytest.raises(AuthenticationError),
        ):
            later.ping()

        assert ["GET", "FLUSHALL", "CONFIG"] == refused
        assert 0 == administrator.exists("key:__rand_int__")
