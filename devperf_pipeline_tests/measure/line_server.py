"""A real server on loopback that speaks lines: the smallest protocol that can go wrong in every way."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.operation import Step, Wire

Answer = Callable[[socket.socket, bytes, int], bool]
"""Gets the connection, a line and its number; returns False to close the connection."""


def echo(connection: socket.socket, line: bytes, number: int) -> bool:
    """Answer a line with itself."""
    connection.sendall(line)
    return True


class LineServer:
    """Serves each connection in a thread of its own until `close`; `tls` are contexts of server and clients."""

    def __init__(
        self, answer: Answer = echo, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
    ) -> None:
        self._answer, self._tls = answer, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.lines = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def connect(self) -> socket.socket:
        sock = socket.create_connection(self._listener.getsockname(), timeout=5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            sock = self._tls[1].wrap_socket(sock, server_hostname="localhost")
        self._open.append(sock)
        return sock

    def close(self) -> None:
        self._listener.close()
        for sock in self._open:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        number = 0
        if self._tls:
            connection = self._tls[0].wrap_socket(connection, server_side=True)
        with connection, suppress(OSError):
            for line in connection.makefile("rb"):
                self.lines += 1
                if not self._answer(connection, line, number):
                    return
                number += 1


Start = Callable[..., LineServer]
"""The fixture `start`: a server that answers so, and ends with the test."""


def whole(reply: bytes) -> bool:
    """A reply is whole when its line has ended."""
    return reply.endswith(b"\n")


def wire(server: LineServer, *lines: bytes, steps: int = 1) -> Wire:
    """One user of a line server, whose calls have so many steps; the answer must be the line itself."""

    def check(replies: list[bytes]) -> int:
        return Outcome.OK if all(reply.startswith(b"hello") for reply in replies) else Outcome.ERROR

    def verify(replies: list[bytes]) -> str | None:
        return None if all(reply in lines for reply in replies) else f"expected one of {lines}, got {replies}"

    return Wire(
        sockets=[server.connect()],
        calls=[tuple(Step(line, whole) for _ in range(steps)) for line in lines],
        check=check,
        verify=verify,
    )


def slowly(seconds: float) -> Answer:
    """Answer after a while, in two pieces."""

    def answer(connection: socket.socket, line: bytes, number: int) -> bool:
        time.sleep(seconds)
        connection.sendall(line[:3])
        time.sleep(seconds)
        connection.sendall(line[3:])
        return True

    return answer
