import itertools
import os
import signal
import socket
import time

import psutil
import pytest

from devperf_pipeline.measure.engine import Slice, User, Verify
from devperf_pipeline.measure.engine_processes import drive_shared
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.model import Outcome
from devperf_pipeline_tests.measure.line_server import LineServer, Start, echo, slowly, wire


@pytest.fixture(name="recorder")
def _recorder() -> Recorder:
    return Recorder(10_000)


def right(_kept: object) -> str | None:
    return None


def shared(
    server: LineServer,
    recorder: Recorder,
    *,
    users: int,
    processes: int,
    calls: int | None = None,
    seconds: float = 5,
    verify: Verify = right,
) -> Slice:
    crowd = [User(wire(server, b"hello\n"), finite=False) for _ in range(users)]
    return drive_shared(crowd, recorder, seconds=seconds, calls=calls, processes=processes, verify=verify)


def rests(server: LineServer) -> bool:
    """Whether the server is asked nothing any more, at the latest in ten seconds."""
    asked, ends = -1, time.monotonic() + 10
    # What was sent before may still be on its way.
    while asked != server.lines and time.monotonic() < ends:
        asked = server.lines
        time.sleep(0.2)
    return asked == server.lines > 0


class TestDriveShared:
    @pytest.mark.parametrize("processes", [1, 2, 3])
    def test_makes_as_many_calls_as_were_wished_for(
        self, start: Start, recorder: Recorder, processes: int
    ) -> None:
        """However many processes ask, all calls together are as many as one would make, and the server saw them."""
        server = start()
        piece = shared(server, recorder, users=7, processes=processes, calls=1_000)

        assert 1_000 == recorder.length == server.lines
        assert [Outcome.OK] * 1_000 == list(recorder.copy()[2])
        assert processes == len(piece.cpu_ns)
        assert not piece.broken

    def test_calls_are_in_the_order_of_their_ends(self, start: Start, recorder: Recorder) -> None:
        """
        Calls of two processes are merged on one clock: ends rise, no call ends after the slice did, and the two
        asked at the same time.
        """
        piece = shared(start(slowly(0.001)), recorder, users=4, processes=2, calls=200)
        begins, latencies, _ = recorder.copy()
        ends = [begin + latency for begin, latency in zip(begins, latencies, strict=True)]
        asked_at_once = {sum(begin < end for begin in begins) - number for number, end in enumerate(ends)}

        assert sorted(ends) == ends
        assert ends[-1] == piece.elapsed_ns
        assert min(begins) >= 0
        assert 2 < max(asked_at_once) <= 4

    def test_ends_after_its_seconds(self, start: Start, recorder: Recorder) -> None:
        """No call of any process begins after the seconds are over, counted from the moment when all began."""
        shared(start(slowly(0.001)), recorder, users=4, processes=2, seconds=0.2)
        begins, _, _ = recorder.copy()

        assert len(begins)
        # A busy machine lets one of them begin late.
        assert max(begins) < 1_000_000_000

    def test_a_wrong_answer_is_told(self, start: Start, recorder: Recorder) -> None:
        """Each process verifies replies of its own, and what is wrong reaches the slice."""
        piece = shared(
            start(), recorder, users=2, processes=2, calls=10, verify=lambda _: "not what was asked"
        )

        assert "a sampled answer was wrong: not what was asked" == piece.problem

    def test_a_refusal_is_told_in_the_words_of_the_service(self, start: Start, recorder: Recorder) -> None:
        """Refused calls are counted, and one refusal is kept as words."""

        def refuse(connection: socket.socket, line: bytes, number: int) -> bool:
            connection.sendall(b"no\n")
            return True

        piece = shared(start(refuse), recorder, users=2, processes=2, calls=10, verify=lambda _: "it said no")

        assert [Outcome.ERROR] * 10 == list(recorder.copy()[2])
        assert "it said no" == piece.raised

    def test_a_lost_connection_breaks_the_slice(self, start: Start, recorder: Recorder) -> None:
        """One connection that the server closes is an outcome; calls of the other process are kept."""

        def five(connection: socket.socket, line: bytes, number: int) -> bool:
            if number < 5:
                return echo(connection, line, number)
            connection.shutdown(
                socket.SHUT_RDWR
            )  # the engines were forked from here and hold this socket, too
            return False

        piece = shared(start(five), recorder, users=2, processes=2, calls=100)

        assert piece.broken
        assert "the server closed the connection" == piece.problem
        assert (10, 2) == tuple(list(recorder.copy()[2]).count(each) for each in (Outcome.OK, Outcome.LOST))

    def test_a_process_that_dies_is_told(self, start: Start, recorder: Recorder) -> None:
        """When a process ends without telling what it measured, the slice says so; the others' calls are kept."""
        parent = os.getpid()

        def die_in_one(kept: object) -> str | None:
            if os.getpid() != parent and kept[0].sockets[0].getsockname() == first:  # type: ignore[index]
                os._exit(1)
            return None

        server = start()
        crowd = [User(wire(server, b"hello\n"), finite=False) for _ in range(2)]
        first = crowd[0].sockets[0].getsockname()
        piece = drive_shared(crowd, recorder, seconds=5, calls=100, processes=2, verify=die_in_one)

        assert piece.broken
        assert "an engine process ended before it told what it measured" == piece.problem
        assert 50 == recorder.length

    def test_no_process_stays_when_it_is_interrupted(self, start: Start, recorder: Recorder) -> None:
        """Whoever interrupts the measurement finds no process left and nothing asked any more."""

        class Interrupted(BaseException):
            pass

        def raise_it(_number: int, _frame: object) -> None:
            raise Interrupted

        lines = itertools.count(1)

        def echo_and_interrupt(connection: socket.socket, line: bytes, number: int) -> bool:
            if next(lines) == 40:
                os.kill(os.getpid(), signal.SIGALRM)
            return echo(connection, line, number)

        server, children = start(echo_and_interrupt), set(psutil.Process().children())
        before = signal.signal(signal.SIGALRM, raise_it)
        try:
            with pytest.raises(Interrupted):
                shared(server, recorder, users=2, processes=2, seconds=30)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert rests(server)
        assert set(psutil.Process().children()) <= children

    def test_no_process_asks_on_when_its_parent_is_killed(self, start: Start, recorder: Recorder) -> None:
        """After SIGKILL nobody can end the engine's processes; they end by themselves, long before their window does."""
        server = start(slowly(0.001))
        parent = os.fork()
        if not parent:
            try:
                shared(server, recorder, users=2, processes=2, seconds=60)
            finally:
                os._exit(0)
        ends = time.monotonic() + 30
        while server.lines < 20 and time.monotonic() < ends:
            time.sleep(0.01)
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)

        assert server.lines >= 20
        assert rests(server)
