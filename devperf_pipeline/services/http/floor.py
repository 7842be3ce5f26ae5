"""How is the floor of an HTTP measurement measured: the same instruments, asking a server that does nothing?"""

from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.canned_server import CannedServer
from devperf_pipeline.services.http.connection import (
    EXCEPTIONS,
    HttpConnection,
    answer_of,
    failure,
    status_of,
)
from devperf_pipeline.services.http.protocol import Answer
from devperf_pipeline.services.operation import FLOOR, Driver, Operation, Step, Wire


def floor(server: CannedServer) -> Operation:
    """An empty 200, on the cores of this process."""
    request = protocol.encode("GET", "/", str(server.address))

    def wire(connection: HttpConnection, _user: int, _size: int) -> Wire:
        server.stand_with_us()
        return Wire(
            sockets=[connection.take_socket(server.address)],
            calls=[(Step(request, protocol.complete),)],
            check=lambda replies: protocol.check(replies[0]),
            verify=lambda replies: is_empty(protocol.parse(replies[0])),
        )

    def driver(connection: HttpConnection, _user: int, _size: int) -> Driver:
        server.stand_with_us()
        client = connection.client(server.address)
        return Driver(
            call=lambda _: client.get("/"),
            check=status_of,
            verify=lambda response: is_empty(answer_of(response)),
            exceptions=EXCEPTIONS,
            failure=failure,
        )

    return Operation(name=FLOOR, title="empty 200 of a canned server", wire=wire, driver=driver)


def is_empty(answer: Answer) -> str | None:
    """What is wrong with an answer of the canned server."""
    return None if (answer.status, answer.body) == (200, b"") else f"expected an empty 200, found {answer}"
