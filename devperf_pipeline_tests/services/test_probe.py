import socket
import threading
import time
from collections.abc import Iterator

import pytest

from devperf_pipeline.errors import ServiceUnreachable
from devperf_pipeline.model import Address, Service
from devperf_pipeline.services.probe import growing, hung_up_after, probe, show

SERVICE = Service(name="somewhere", kind="redis")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address_of(server: socket.socket) -> Address:
    return Address("127.0.0.1", server.getsockname()[1])


def listen_to(server: socket.socket, deadline_s: float = 0.3) -> bytes:
    return probe(
        SERVICE,
        address_of(server),
        send=b"hello",
        enough=lambda received: b"." in received,
        deadline_s=deadline_s,
    )


class TestProbe:
    def test_names_a_closed_port(self, listener: socket.socket) -> None:
        """Where nothing listens, the message names service and address."""
        address = address_of(listener)
        listener.close()
        with pytest.raises(
            ServiceUnreachable, match=f"somewhere: expected a server at {address}, found none"
        ):
            probe(SERVICE, address, send=b"", enough=bool)

    def test_ends_in_time_where_nothing_is_said(self, listener: socket.socket) -> None:
        """A port that accepts and never answers costs the deadline and no more."""
        began = time.monotonic()
        with pytest.raises(ServiceUnreachable, match="does not answer within"):
            listen_to(listener)
        assert time.monotonic() - began < 5

    def test_ends_in_time_where_it_drips(self, listener: socket.socket) -> None:
        """A byte now and then does not prolong the deadline; what was received is returned."""

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    for _ in range(400):
                        connection.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        received = listen_to(listener, 1)
        assert time.monotonic() - began < 10
        thread.join()
        assert received.strip(b"x") == b""

    def test_returns_what_was_received(self, listener: socket.socket) -> None:
        """It ends as soon as enough was received."""

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(5)
                connection.sendall(b"yes.")
                connection.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        assert listen_to(listener, 5) == b"yes."
        thread.join()


class TestGrowing:
    def test_until_the_other_side_ends(self) -> None:
        """All that was received is given whenever more of it came, and the end of the connection is an error."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            received = growing(ours, b"hello")
            theirs.sendall(b"wel")
            assert b"wel" == next(received)
            theirs.sendall(b"come")
            assert b"welcome" == next(received)
            assert b"hello" == theirs.recv(10)
            theirs.shutdown(socket.SHUT_WR)
            with pytest.raises(ConnectionResetError, match="closed the connection"):
                next(received)


class TestShow:
    def test_is_harmless(self) -> None:
        """No escape sequence of a foreign server reaches a terminal."""
        assert show(b"\x1b[2Jhi\r\n") == r"'\x1b[2Jhi\r\n'"


class TestHungUpAfter:
    def test_ends_a_call_that_waits(self) -> None:
        """Who waits for an answer sees the end of the connection."""
        ours, theirs = socket.socketpair()
        with ours, theirs, hung_up_after(ours, 0.05):
            assert ours.recv(1) == b""

    def test_leaves_a_connection_that_was_in_time(self) -> None:
        """A block that ends in time keeps its connection."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with hung_up_after(ours, 0.5):
                pass
            time.sleep(0.6)
            ours.sendall(b"x")
            assert theirs.recv(1) == b"x"
