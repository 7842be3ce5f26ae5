"""A way to a server that can be shut: to whoever goes through it, the server dies and comes back."""

import socket
import threading
from contextlib import suppress

from devperf_pipeline.model import Address


class Gate:
    """Listens on a port of its own and passes everything on, in both directions."""

    def __init__(self, to: Address) -> None:
        self._to = to
        self._open: list[socket.socket] = []
        self._moving = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._listener.getsockname())
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """End every connection and refuse new ones."""
        # A blocked accept() holds the port until it is woken.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._moving:
            self._listener.close()
            for sock in self._open:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
            self._open.clear()

    def open(self) -> None:
        """Listen again, on the same port."""
        self._listener = socket.create_server((self.address.host, self.address.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((self._to.host, self._to.port), timeout=5)
                far.settimeout(None)
                with self._moving:
                    if listener.fileno() < 0:  # it was shut meanwhile
                        near.close()
                        far.close()
                        return
                    self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
