import re
import socket
from collections.abc import Iterator, Sequence

import pytest

from devperf_pipeline.errors import ServiceRefused, WrongAnswer
from devperf_pipeline.measure import held
from devperf_pipeline.measure.held import USERS, Holding, sweep
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


class TestSweep:
    def test_reads_at_each_step_before_any_answer(
        self, session: FakeSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        At each step so many requests are under way that the server has not got the end of, and all end well.
        """
        read: list[tuple[int, str, int]] = []
        lost: list[str] = []
        sweep(
            [Holding("fake", session, operation())],
            settle=lambda: None,
            read=lambda users, services: read.append((users, services[0], session.server.lines)),
            lost=lambda service, error: lost.append(f"{service}: {error}"),
        )

        assert [] == lost
        assert [(users, "fake", held.WARM_USERS) for users in USERS] == read
        assert held.WARM_USERS + USERS[-1] == session.server.lines

    def test_server_that_ends_them_early(self, session: FakeSession) -> None:
        """
        Requests that are not under way any more are not counted as such: the sweep ends and says so.
        """
        opened: list[socket.socket] = []

        def impatient(connection: FakeConnection, user: int, size: int) -> object:
            found = wire(connection.server, b"hello\n")
            opened.append(found.sockets[0])
            if len(opened) > held.WARM_USERS + 55:
                opened[-1].shutdown(socket.SHUT_RD)
            return found

        read: list[tuple[int, Sequence[str]]] = []
        lost: list[tuple[str, Exception]] = []
        inner = Operation(name="hello", title="Say hello", wire=impatient, held=True)  # type: ignore[arg-type]
        sweep(
            [Holding("fake", session, inner), Holding("patient", session, operation())],
            settle=lambda: None,
            read=lambda users, services: read.append((users, services)),
            lost=lambda service, error: lost.append((service, error)),
        )
        [(service, error)] = lost

        assert "fake" == service
        assert isinstance(error, ServiceRefused)
        assert re.search(r"expected 100 requests to wait .* found 45 answered or closed", str(error))
        both, patient = ["fake", "patient"], ["patient"]
        assert [(0, both), (50, both), *((users, patient) for users in USERS[2:])] == read

    def test_wrong_answers_are_told_before_anything_is_read(self, session: FakeSession) -> None:
        """
        A service that does not answer the first held requests right has no memory per request.
        """
        lost: list[tuple[str, Exception]] = []
        read: list[int] = []
        sweep(
            [Holding("fake", session, operation(says=b"sorry\n"))],
            settle=lambda: None,
            read=lambda users, _: read.append(users),
            lost=lambda service, error: lost.append((service, error)),
        )
        [(_, error)] = lost

        assert isinstance(error, WrongAnswer)
        assert "found 25 that were not" in str(error)
        assert [] == read
