from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from devperf_pipeline.model import Outcome, Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Operation, Session
from devperf_pipeline_tests.services.calls import RIGHT, Verdict, by_driver, by_engine, named
from devperf_pipeline_tests.services.sessions import prepared_session, running

RELATIONAL = {
    "insert": "INSERT (single row)",
    "select-by-key": "SELECT (by primary key)",
    "full-scan": "SELECT (full scan, 10k rows)",
    "update": "UPDATE (single row)",
    "delete": "DELETE (single row)",
    "transaction": "Transaction (5 operations)",
}
POSTGRESQL = {"floor": "empty statement", **RELATIONAL, "join": "Join (2 tables, 1k rows each)"}

TITLES = {
    "postgresql": POSTGRESQL,
    "pgbouncer": POSTGRESQL,
    "mysql": {"floor": "COM_PING", **RELATIONAL},
    "mongodb": {
        "floor": "ping",
        "insert-one": "insertOne",
        "find-one": "findOne (by _id)",
        "collection-scan": "find (collection scan)",
        "update-one": "updateOne (by _id)",
        "delete-one": "deleteOne (by _id)",
        "aggregate-simple": "aggregate (simple)",
        "aggregate-complex": "aggregate (complex)",
    },
    "redis": {
        "floor": "PING",
        "set": "SET",
        "get-hit": "GET (hit)",
        "get-miss": "GET (miss)",
        "del": "DEL",
        "incr": "INCR",
        "lpush": "LPUSH",
        "sadd": "SADD",
        "zadd": "ZADD",
        "hset": "HSET",
    },
    "redis_cluster": {
        "floor": "PING of the first node",
        "set-distributed": "SET (distributed)",
        "get-distributed": "GET (distributed)",
        "cross-slot": "Cross-slot operation",
    },
    "rabbitmq": {
        "floor": "channel.flow",
        "publish-1kb": "Publish (1KB, non-persistent)",
        "publish-1kb-persistent": "Publish (1KB, persistent)",
        "publish-10kb": "Publish (10KB, non-persistent)",
        "publish-10kb-persistent": "Publish (10KB, persistent)",
        "consume-no-ack": "Consume (no ack)",
        "consume-auto-ack": "Consume (auto ack)",
        "consume-manual-ack": "Consume (manual ack)",
    },
}
"""What is published of each service; Vault and the APIs, which differ by what they let us do, have tests of their own."""

Through = Callable[[Operation, Sequence[Any], int], list[Verdict]]

CALLS = 8
"""Calls of each user: a scan of ten thousand rows costs each one tens of milliseconds, and every write a flush."""

EACH = [(service, name) for service, titles in TITLES.items() for name in titles]


@pytest.fixture(scope="module", name="session")
def _session(running_stack: Stack, request: pytest.FixtureRequest) -> Iterator[Session]:
    service = running(running_stack, request.param)
    with prepared_session(CATALOGUE[service.kind].open_session(service)) as session:
        yield session


@pytest.mark.servers
class TestOperations:
    @pytest.mark.parametrize(("session", "titles"), TITLES.items(), indirect=["session"], ids=list(TITLES))
    def test_are_the_published_ones(self, session: Session, titles: dict[str, str]) -> None:
        """The floor comes first, then the published operations under their published titles."""
        assert list(titles.items()) == [(each.name, each.title) for each in session.operations()]

    @pytest.mark.parametrize(("session", "name"), EACH, indirect=["session"])
    @pytest.mark.parametrize("through", [by_engine, by_driver])
    def test_answer_right(self, session: Session, name: str, through: Through) -> None:
        """Every call of two users is answered right, to the last value, whichever instrument made it."""
        with closing(session.connect()) as one, closing(session.connect()) as two:
            assert [RIGHT] * (2 * CALLS) == through(named(session, name), [one, two], CALLS)

    @pytest.mark.parametrize(("session", "name"), EACH, indirect=["session"])
    def test_take_turns_on_one_connection(self, session: Session, name: str) -> None:
        """The driver gives right answers on a connection whose socket the engine used before, and gives it back."""
        with closing(session.connect()) as connection:
            for through in (by_engine, by_driver, by_engine, by_driver):
                assert [RIGHT] * CALLS == through(named(session, name), [connection], CALLS)

    @pytest.mark.parametrize(
        ("session", "name"),
        [("postgresql", "delete"), ("pgbouncer", "delete"), ("mysql", "delete"), ("mongodb", "delete-one")],
        indirect=["session"],
    )
    def test_delete_nothing_twice(self, session: Session, name: str) -> None:
        """What is gone cannot be deleted again: both instruments say so."""
        op = named(session, name)
        assert op.finite
        with closing(session.connect()) as connection:
            by_engine(op, [connection])
            spent = replace(op, reset=None)

            assert {Outcome.WRONG} == {outcome for outcome, _ in by_engine(spent, [connection])}
            assert {Outcome.WRONG} == {outcome for outcome, _ in by_driver(spent, [connection])}
