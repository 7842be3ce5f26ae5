import re
import socket
from collections.abc import Iterator, Mapping

import pytest

from devperf_pipeline.errors import ServiceRefused, WrongAnswer
from devperf_pipeline.measure import in_flight
from devperf_pipeline.measure.in_flight import USERS, sweep
from devperf_pipeline.measure.steps import InFlightStep
from devperf_pipeline.services.operation import Operation
from devperf_pipeline_tests.measure.fake_service import FakeConnection, FakeSession
from devperf_pipeline_tests.measure.line_server import wire


@pytest.fixture(name="session")
def _session() -> Iterator[FakeSession]:
    with FakeSession() as session:
        yield session


def operation(*, says: bytes = b"hello\n") -> Operation:
    return Operation(
        name="hello",
        title="Say hello",
        wire=lambda connection, _user, _size: wire(connection.server, says),
        held=True,
    )


def step(service: str, session: FakeSession, held: Operation | None = None) -> InFlightStep:
    return InFlightStep(service=service, operation=held or operation(), session=session, users=USERS)


class TestSweep:
    def test_reads_at_each_step_before_any_answer(self, session: FakeSession) -> None:
        """At each step so many requests are in flight that the server has not got the end of, and all end well."""
        read: list[tuple[int, Mapping[str, str], int]] = []
        sweep(
            [step("fake", session)],
            settle=lambda: None,
            read=lambda users, benchmarks: read.append((users, benchmarks, session.server.lines)),
            failed=unexpected,
        )

        assert [
            (users, {"fake": f"fake/hello/held-{users}"}, in_flight.WARM_USERS) for users in USERS
        ] == read
        assert in_flight.WARM_USERS + USERS[-1] == session.server.lines

    def test_several_services_are_read_at_once(self, session: FakeSession) -> None:
        """Requests are in flight at all services before any is read, each under a name of its own."""
        with FakeSession() as other:
            read: list[tuple[int, Mapping[str, str]]] = []
            sweep(
                [step("fake", session), step("other", other)],
                settle=lambda: None,
                read=lambda users, benchmarks: read.append((users, benchmarks)),
                failed=unexpected,
            )

            assert [
                (users, {"fake": f"fake/hello/held-{users}", "other": f"other/hello/held-{users}"})
                for users in USERS
            ] == read
            assert session.server.lines == other.server.lines == in_flight.WARM_USERS + USERS[-1]

    def test_server_that_ends_them_early(self, session: FakeSession) -> None:
        """
        Requests that are not in flight any more are not counted as such: that service's steps end, and say so; the
        other's go on.
        """
        opened: list[socket.socket] = []

        def impatient(connection: FakeConnection, user: int, size: int) -> object:
            found = wire(connection.server, b"hello\n")
            opened.append(found.sockets[0])
            if len(opened) > in_flight.WARM_USERS + 55:
                opened[-1].shutdown(socket.SHUT_RD)
            return found

        read: list[tuple[int, list[str]]] = []
        told: list[tuple[str, Exception]] = []
        early = Operation(name="hello", title="Say hello", wire=impatient, held=True)  # type: ignore[arg-type]
        with FakeSession() as other:
            sweep(
                [step("early", session, early), step("other", other)],
                settle=lambda: None,
                read=lambda users, benchmarks: read.append((users, [*benchmarks])),
                failed=lambda service, error: told.append((service, error)),
            )
        [(service, error)] = told

        assert [(users, ["early", "other"] if users < 100 else ["other"]) for users in USERS] == read
        assert service == "early"
        assert isinstance(error, ServiceRefused)
        assert re.match(r"expected 100 requests to wait .* found 45 answered or closed", str(error))

    def test_wrong_answers_are_told_before_anything_is_read(self, session: FakeSession) -> None:
        """A service that does not answer the first held requests right has no memory per request."""
        read: list[int] = []
        told: list[Exception] = []
        sweep(
            [step("fake", session, operation(says=b"sorry\n"))],
            settle=lambda: None,
            read=lambda users, _: read.append(users),
            failed=lambda _, error: told.append(error),
        )
        [error] = told

        assert [] == read
        assert isinstance(error, WrongAnswer)
        assert "found 25 that were not" in str(error)


def unexpected(service: str, error: Exception) -> None:
    raise AssertionError(service) from error
