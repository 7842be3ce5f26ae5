"""
What does an HTTP call cost when the server does nothing?

A tiny server in a process of its own, `python -m devperf_pipeline.services.http.floor_server`: it answers every request
without a body with the same prepared bytes. What a call to it takes is the floor of every HTTP measurement.
It prints its port, and ends when its standard input does, so it never outlives who started it.
"""

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from devperf_pipeline.errors import ServiceUnreachable
from devperf_pipeline.model import Address

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LOOPBACK = "127.0.0.1"
PATIENCE_S = 5.0


class FloorServer:
    """The server, as the process that started it sees it."""

    def __init__(self) -> None:
        # -P: what lies in the current folder must not be imported in the place of the standard library.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "devperf_pipeline.services.http.floor_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C in our terminal is not for it: it ends when we let go of its input.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.strip().isdigit():
            self.stop()
            raise ServiceUnreachable(
                f"expected our own HTTP server, which is the floor, to print its port, found {said!r}. "
                f"Try: {sys.executable} -m devperf_pipeline.services.http.floor_server"
            )
        self.address = Address(LOOPBACK, int(said))

    def stand_with_us(self) -> None:
        """Move the server to the cores of this process, where the system knows how."""
        if sys.platform == "linux":
            # Each thread has a core of its own choice; new ones follow the one that makes them.
            for thread in Path(f"/proc/{self._process.pid}/task").iterdir():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread.name), os.sched_getaffinity(0))

    def stop(self) -> None:
        """End it; never raises."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answer_always(connection: socket.socket) -> None:
    """Answer whatever comes on one connection until it ends."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received = b""
    with connection, suppress(OSError):
        while more := connection.recv(65_536):
            received += more
            if received.endswith(b"\r\n\r\n"):
                connection.sendall(ANSWER)
                received = b""


def accept_always(listener: socket.socket) -> None:
    """A thread for each connection: there are never more than a few."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer_always, args=(connection,), daemon=True).start()


def main() -> None:
    """Serve until standard input ends."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=accept_always, args=(listener,), daemon=True).start()
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - the starter reads it
        # Unbuffered: a buffered reader's lock, held here by a thread at exit, would abort the interpreter.
        while os.read(sys.stdin.fileno(), 1024):
            pass


if __name__ == "__main__":
    main()
