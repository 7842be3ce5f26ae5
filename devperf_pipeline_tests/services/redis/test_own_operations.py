from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devperf_pipeline.model import OwnOperation, Service, Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Session
from devperf_pipeline.services.own_operations import learnt
from devperf_pipeline.services.redis.connection import asked
from devperf_pipeline.services.redis.session import RedisSession
from devperf_pipeline.stack.own_operations import own_operations
from devperf_pipeline.stack.source import Source
from devperf_pipeline_tests.services.calls import RIGHT, by_driver, by_engine
from devperf_pipeline_tests.services.sessions import running

pytestmark = pytest.mark.servers

PREFIX = "its-own:"


def described(kind: str, *found: dict[str, Any]) -> tuple[OwnOperation, ...]:
    """Operations as a stack file describes them, in the order of its lines."""
    source = Source(Path("it.toml"), "[[services.it.operations]]\n" * len(found))
    return own_operations(source, ("services", "it"), kind, [{"title": "it", **each} for each in found])


@pytest.fixture(name="service", params=["redis", "redis_cluster"])
def _service(request: pytest.FixtureRequest, running_stack: Stack) -> Service:
    return running(running_stack, request.param)


@pytest.fixture(name="session")
def _session(service: Service) -> Iterator[RedisSession]:
    """A session with a server that holds a hash for each of 50 numbers, and a text."""
    session = CATALOGUE[service.kind].open_session(service)
    assert isinstance(session, RedisSession)
    kept: list[tuple[str, tuple[str, ...]]] = [
        (f"{PREFIX}{number}", ("HSET", "user", f"somebody {number}")) for number in range(1, 51)
    ]
    kept.append((f"{PREFIX}text", ("SET", "a text")))
    with closing(session):
        for name, (command, *rest) in kept:
            asked(session._nodes[session._node_of(name.encode())], command, name, *rest)
        yield session
        for name, _ in kept:
            asked(session._nodes[session._node_of(name.encode())], "DEL", name)


def refusal(session: Session, service: Service, **words: Any) -> str:
    """Why an operation of these words cannot be measured."""
    assert [] == learnt(session, replace(service, own_operations=described(service.kind, words)))
    return session.unmeasurable["it"]


class TestOwnCommands:
    def test_are_asked_of_the_node_that_serves_the_key(self, session: RedisSession, service: Service) -> None:
        """Engine and driver get the right answer for every value of the placeholder, wherever the key lies."""
        [own] = described(
            service.kind,
            {
                "command": ["HGETALL", PREFIX + "{id}"],
                "id": {"range": [1, 50]},
                "expect": {"rows": 2, "contains": "somebody"},
            },
        )
        operation = session.own_operation(own)
        with closing(session.connect()) as connection:
            assert {RIGHT} == set(by_engine(operation, [connection]))
        with closing(session.connect()) as connection:
            assert {RIGHT} == set(by_driver(operation, [connection]))

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ({"command": ["GTE", "a"]}, "the server does not know the command 'GTE'"),
            ({"command": ["SET", "a", "b"]}, "expected a command that only reads, found 'SET'"),
            ({"command": ["EVAL", "return 1", "0"]}, "Write writes = true"),
            ({"command": ["GET"]}, "the server says: wrong number of arguments for 'get' command"),
            ({"command": ["HGETALL", PREFIX + "text"]}, "the server says: WRONGTYPE"),
            ({"command": ["SELECT", "1"], "writes": True}, "a command that can be asked again and again"),
            ({"command": ["SHUTDOWN"], "writes": True}, "a command that can be asked again and again"),
            ({"command": ["BLPOP", "a", "0"], "writes": True}, "a command that can be asked again and again"),
            (
                {"command": ["GET", PREFIX + "text"], "expect": {"contains": "no text"}},
                "'no text' does not stand in the answer",
            ),
        ],
    )
    def test_a_mistake_costs_itself_alone(
        self, session: RedisSession, service: Service, words: dict[str, Any], said: str
    ) -> None:
        """Why it is not measured stands there with file and line, in the server's words; nothing was changed."""
        found = refusal(session, service, **words)

        assert found.startswith("it.toml, line 1: ")
        assert said in found

    def test_what_writes_says_so(self, session: RedisSession, service: Service) -> None:
        """A command that writes is not tried before it is measured."""
        [own] = described(service.kind, {"command": ["APPEND", PREFIX + "text", "!"], "writes": True})
        operation = session.own_operation(own)
        node = session._nodes[session._node_of(f"{PREFIX}text".encode())]

        assert b"a text" == asked(node, "GET", f"{PREFIX}text")
        with closing(session.connect()) as connection:
            assert {RIGHT} == set(by_engine(operation, [connection], 3))
        assert b"a text!!!" == asked(node, "GET", f"{PREFIX}text")

    def test_an_answer_that_is_gone_is_wrong(self, session: RedisSession, service: Service) -> None:
        """Where the first answers held something, nothing is no right answer."""
        [own] = described(service.kind, {"command": ["GET", PREFIX + "text"]})
        operation = session.own_operation(own)
        asked(session._nodes[session._node_of(f"{PREFIX}text".encode())], "DEL", f"{PREFIX}text")
        with closing(session.connect()) as connection:
            assert RIGHT not in by_engine(operation, [connection], 2)

    def test_is_asked_once(self, session: RedisSession, service: Service) -> None:
        """The first answer is shown, with how many elements it has and how long it took."""
        [own] = described(service.kind, {"command": ["HGETALL", PREFIX + "7"]})
        found = session.first_answer(own)

        assert (["user", "somebody 7"], 2) == (found.lines, found.rows)
        assert found.took_ns > 0
