"""What do tests of the engine share: servers that end with the test."""

from collections.abc import Iterator

import pytest

from devperf_pipeline_tests.measure.line_server import Answer, LineServer, Start, echo


@pytest.fixture(name="start")
def _start() -> Iterator[Start]:
    servers: list[LineServer] = []

    def start(answer: Answer = echo) -> LineServer:
        servers.append(LineServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
