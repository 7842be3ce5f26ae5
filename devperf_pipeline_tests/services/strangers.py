"""Who may be found at an address where a database was expected?"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from devperf_pipeline.model import Address


@contextmanager
def nobody() -> Iterator[Address]:
    """A port that is taken, so that no one else gets it, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield Address(*sock.getsockname())


@contextmanager
def silence() -> Iterator[Address]:
    """Somebody who accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield Address(*sock.getsockname())


@contextmanager
def web_server() -> Iterator[Address]:
    """Somebody who speaks HTTP."""

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
def talker(words: bytes) -> Iterator[Address]:
    """Somebody who says the same to everyone, before being asked, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def talk() -> None:
            with suppress(OSError):  # the guest hung up first, or the port was closed
                while True:
                    guest, _ = sock.accept()
                    with guest, suppress(OSError):
                        guest.sendall(words)
                        guest.shutdown(socket.SHUT_WR)
                        while guest.recv(4096):
                            pass

        threading.Thread(target=talk, daemon=True).start()
        yield Address(*sock.getsockname())
