"""The engine's two loops over encrypted sockets: all that is true of them over plain ones, and what TLS adds."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from devperf_pipeline.measure.engine import User, drive_many, drive_one, driver_of
from devperf_pipeline.measure.engine_processes import drive_shared
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.model import Outcome, Tls
from devperf_pipeline.stack.tls import context
from devperf_pipeline_tests.certificates import Authority
from devperf_pipeline_tests.measure.line_server import Answer, LineServer, Start, echo, wire
from devperf_pipeline_tests.measure.test_engine import (  # these run here once more, with the `start` below
    TestManyUsers,  # noqa: F401
    TestOneUser,  # noqa: F401
    _recorder,  # noqa: F401
)

RECORDS = 5
"""So many records of TLS, which hold 16 KiB each, an answer takes that does not fit into one."""


@pytest.fixture(scope="module", name="contexts")
def _contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    folder: Path = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder, "authority")
    shown = authority.sign("server")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(shown.certificate, shown.key)
    return server, context(Tls(where="here", ca=authority.ca))


@pytest.fixture(name="start")
def _start(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[Start]:
    servers: list[LineServer] = []

    def start(answer: Answer = echo) -> LineServer:
        servers.append(LineServer(answer, contexts))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class TestRecords:
    def test_a_long_answer(self, start: Start, recorder: Recorder) -> None:
        """One that comes in several records is received whole, by one user and by many."""
        line = b"hello" + b"x" * RECORDS * 16_384 + b"\n"
        server = start()
        alone = drive_one(driver_of(wire(server, line), finite=False), recorder, seconds=5, calls=20)
        crowd = drive_many(
            [User(wire(server, line), finite=False) for _ in range(4)], recorder, seconds=5, calls=40
        )
        assert (None, None) == (alone.problem, crowd.problem)
        assert {Outcome.OK} == set(recorder.copy()[2])
        assert all(reply == [line] for _, reply in crowd.replies)

    def test_processes_leave_no_connection_behind(self, start: Start, recorder: Recorder) -> None:
        """What other processes have sent is not counted here: their connections are not used again."""
        server = start()
        users = [User(wire(server, b"hello\n"), finite=False) for _ in range(4)]
        piece = drive_shared(
            users, recorder, seconds=5, calls=100, processes=2, verify=lambda kept: kept[0].verify(kept[1])
        )
        assert (None, True) == (piece.problem, piece.broken)
        assert {Outcome.OK} == set(recorder.copy()[2])
