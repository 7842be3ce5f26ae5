"""What may listen at an address where a service was expected: nothing, silence, HTTP, another protocol?"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from devperf_pipeline.model import Address


@contextmanager
def refusing_port() -> Iterator[Address]:
    """A port that is taken, so that no one else gets it, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield Address(*sock.getsockname())


@contextmanager
def silent_server() -> Iterator[Address]:
    """A server that accepts connections and never sends a byte."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield Address(*sock.getsockname())


@contextmanager
def web_server() -> Iterator[Address]:
    """A server that speaks HTTP."""

    class Quiet(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the base class's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Address("127.0.0.1", server.server_port)
        server.shutdown()
        thread.join()


@contextmanager
def greeting_server(words: bytes) -> Iterator[Address]:
    """A server that sends the same bytes to each client, before any request, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def greet() -> None:
            with suppress(OSError):  # the client closed first, or the port was closed
                while True:
                    client, _ = sock.accept()
                    with client, suppress(OSError):
                        client.sendall(words)
                        client.shutdown(socket.SHUT_WR)
                        while client.recv(4096):
                            pass

        threading.Thread(target=greet, daemon=True).start()
        yield Address(*sock.getsockname())
