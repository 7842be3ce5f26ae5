"""How is the floor of an HTTP measurement measured: the same instruments, asking a server that does nothing?"""

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.connection import (
    EXCEPTIONS,
    HttpConnection,
    answer_of,
    failure,
    status_of,
)
from devperf_pipeline.services.http.floor_server import FloorServer
from devperf_pipeline.services.http.protocol import Answer
from devperf_pipeline.services.operation import Driver, Operation, Step, Wire, floor


class Floor:
    """The floor of one session: its server runs from `start` to `stop`."""

    def __init__(self) -> None:
        self._server: FloorServer | None = None

    def start(self) -> None:
        """Start the server again, in the place of one that runs."""
        self.stop()
        self._server = FloorServer()

    def stop(self) -> None:
        """End the server; never raises."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def server(self) -> FloorServer:
        if self._server is None:
            raise WrongAnswer("the operations of a session are known after prepare(), and until clean()")
        return self._server

    def operation(self) -> Operation:
        """An empty 200, on the cores of this process."""
        server = self.server
        request = protocol.encode("GET", "/", server.address.called)

        def wire(connection: HttpConnection) -> Wire:
            server.stand_with_us()
            return Wire(
                sockets=[connection.take_socket(server.address)],
                calls=[(Step(request, protocol.complete),)],
                check=lambda replies: protocol.check(replies[0]),
                verify=lambda replies: is_empty(protocol.parse(replies[0])),
            )

        def driver(connection: HttpConnection) -> Driver:
            server.stand_with_us()
            client = connection.client(server.address)
            return Driver(
                call=lambda _: client.get("/"),
                check=status_of,
                verify=lambda response: is_empty(answer_of(response)),
                exceptions=EXCEPTIONS,
                failure=failure,
            )

        return floor("empty 200 of a canned server", wire, driver)


def is_empty(answer: Answer) -> str | None:
    """What is wrong with an answer of the floor's server."""
    return None if (answer.status, answer.body) == (200, b"") else f"expected an empty 200, found {answer}"
