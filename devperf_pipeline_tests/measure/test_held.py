import socket
from collections.abc import Iterator

import pytest

from devperf_pipeline.errors import ServiceRefused, WrongAnswer
from devperf_pipeline.measure import held
from devperf_pipeline.measure.held import USERS, sweep
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
        sweep(
            "fake",
            session,
            operation(),
            settle=lambda: None,
            read=lambda users, benchmark: read.append((users, benchmark, session.server.lines)),
        )

        assert [(users, f"fake/hello/held-{users}", held.WARM_USERS) for users in USERS] == read
        assert held.WARM_USERS + USERS[-1] == session.server.lines

    def test_server_that_ends_them_early(self, session: FakeSession) -> None:
        """
        Requests that are not under way any more are not counted as such: the sweep ends and says so.
        """
        opened: list[socket.socket] = []
        inner = operation()
        assert inner.wire is not None

        def impatient(connection: FakeConnection, user: int, size: int) -> object:
            found = wire(connection.server, b"hello\n")
            opened.append(found.sockets[0])
            if len(opened) > held.WARM_USERS + 55:
                opened[-1].shutdown(socket.SHUT_RD)
            return found

        read: list[int] = []
        with pytest.raises(
            ServiceRefused, match=r"expected 100 requests to wait .* found 45 answered or closed"
        ):
            sweep(
                "fake",
                session,
                Operation(name="hello", title="Say hello", wire=impatient, held=True),  # type: ignore[arg-type]
                settle=lambda: None,
                read=lambda users, _: read.append(users),
            )

        assert [0, 50] == read

    def test_wrong_answers_are_told_before_anything_is_read(self, session: FakeSession) -> None:
        """
        A service that does not answer the first held requests right has no memory per request.
        """
        read: list[int] = []
        with pytest.raises(WrongAnswer, match="found 25 that were not"):
            sweep(
                "fake",
                session,
                operation(says=b"sorry\n"),
                settle=lambda: None,
                read=lambda users, _: read.append(users),
            )

        assert [] == read
