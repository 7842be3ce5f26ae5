"""A service module over the line server: a plain class with everything that `services/operation.py` asks for."""

import socket
from types import TracebackType
from typing import Self

from devperf_pipeline.model import Facts, Outcome, Service
from devperf_pipeline.services.operation import Driver, Operation, Session, Wire
from devperf_pipeline_tests.measure.line_server import Answer, LineServer, echo, wire


class FakeConnection:
    """One user: a socket for the driver; the wire opens its own."""

    def __init__(self, server: LineServer) -> None:
        self.server = server
        self.sock = server.connect()
        self.file = self.sock.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.sock.close()


class FakeSession(Session):
    """Two operations, `floor` and `hello`, of a line server of its own."""

    exceptions: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, answer: Answer = echo) -> None:
        super().__init__()
        self.server = LineServer(answer)
        self.history: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.server.close()

    def facts(self) -> Facts:
        return Facts(product="Lines 1.0", version="1.0", settings={"speed": "any"})

    def objects(self) -> list[str]:
        return ["lines devperf*"]

    def assume(self) -> None:
        self.history.append("assume")

    def prepare(self) -> None:
        self.history.append("prepare")

    def operations(self) -> list[Operation]:
        return [
            Operation(name="floor", title="floor", wire=self._wire, driver=self._driver),
            Operation(
                name="hello",
                title="Say hello",
                users=(4,),
                wire=self._wire,
                driver=self._driver,
            ),
        ]

    def connect(self) -> FakeConnection:
        return FakeConnection(self.server)

    def renew(self, service: Service) -> None:
        self.history.append("renew")

    def clean(self) -> None:
        self.history.append("clean")

    def close(self) -> None:
        self.history.append("close")
        self.server.close()

    def _wire(self, connection: FakeConnection, user: int, size: int) -> Wire:
        return wire(connection.server, b"hello\n")

    def _driver(self, connection: FakeConnection, user: int, size: int) -> Driver:
        def call(k: int) -> bytes:
            connection.sock.sendall(b"hello\n")
            line = connection.file.readline()
            if not line:
                raise ConnectionError("the server closed the connection")
            return line

        return Driver(
            call=call,
            check=lambda reply: Outcome.OK if reply == b"hello\n" else Outcome.ERROR,
            verify=lambda reply: None if reply == b"hello\n" else f"got {reply!r}",
            exceptions=(OSError,),
            failure=lambda error: Outcome.TIMEOUT if isinstance(error, socket.timeout) else Outcome.LOST,
        )
