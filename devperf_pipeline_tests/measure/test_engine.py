import socket
import time
from dataclasses import replace

import pytest

from devperf_pipeline.measure import engine
from devperf_pipeline.measure.engine import Slice, User, drive_many, drive_one, driver_of
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.model import Outcome
from devperf_pipeline_tests.measure.line_server import LineServer, Start, echo, slowly, wire


@pytest.fixture(name="recorder")
def _recorder() -> Recorder:
    return Recorder(100_000)


def one(server: LineServer, recorder: Recorder, **limits: float) -> Slice:
    return drive_one(driver_of(wire(server, b"hello\n"), finite=False), recorder, **{"seconds": 5, **limits})  # type: ignore[arg-type]


def many(server: LineServer, recorder: Recorder, users: int, **limits: float) -> Slice:
    crowd = [User(wire(server, b"hello\n"), finite=False) for _ in range(users)]
    return drive_many(crowd, recorder, **{"seconds": 5, **limits})  # type: ignore[arg-type]


class TestOneUser:
    def test_every_call_is_recorded(self, start: Start, recorder: Recorder) -> None:
        """The server has seen exactly the calls that were recorded."""
        server = start()
        one(server, recorder, calls=500)

        assert server.lines == recorder.length == 500

    def test_latency_is_what_the_server_took(self, start: Start, recorder: Recorder) -> None:
        """A server that sleeps twice 5 ms is measured with 10 ms and little more, in whatever pieces it answers."""
        one(start(slowly(0.005)), recorder, calls=30)
        _, latencies, _ = recorder.copy()

        # The quickest of many: on a busy machine others wait for a core, too.
        assert 10_000_000 <= min(latencies) < 20_000_000

    def test_calls_follow_each_other(self, start: Start, recorder: Recorder) -> None:
        """A call begins after the one before it has ended, and the slice lasts as long as its calls."""
        result = one(start(), recorder, calls=200)
        begins, latencies, _ = recorder.copy()

        assert all(begins[i] + latencies[i] <= begins[i + 1] for i in range(199))
        assert begins[-1] + latencies[-1] == result.elapsed_ns

    def test_ends_after_its_seconds(self, start: Start, recorder: Recorder) -> None:
        """No call begins after the seconds are over."""
        one(start(), recorder, seconds=0.05)
        begins, _, _ = recorder.copy()

        assert len(begins)
        # Between the look at the clock and the last begin we may have been kept waiting.
        assert all(begin < 50_000_000 for begin in sorted(begins)[:-1])

    def test_error_is_an_outcome_and_the_next_call_is_made(self, start: Start, recorder: Recorder) -> None:
        """A call that the server refuses is counted, and the load goes on."""

        def every_third(connection: socket.socket, line: bytes, number: int) -> bool:
            connection.sendall(b"no\n" if number % 3 == 2 else line)
            return True

        one(start(every_third), recorder, calls=90)

        assert [Outcome.OK, Outcome.OK, Outcome.ERROR] * 30 == list(recorder.copy()[2])

    def test_lost_connection_is_an_outcome_with_a_reason(self, start: Start, recorder: Recorder) -> None:
        """When the server closes, the call it left is LOST and the slice says why it ended."""
        result = one(
            start(lambda connection, line, number: number < 5 and echo(connection, line, number)), recorder
        )

        assert [Outcome.OK] * 5 + [Outcome.LOST] == list(recorder.copy()[2])
        assert result.broken
        assert "closed the connection" in str(result.problem)

    def test_silence_ends_at_the_deadline(
        self, start: Start, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A server that never answers costs one call and the deadline, not for ever."""
        monkeypatch.setattr(engine, "CALL_DEADLINE_S", 1.0)
        began = time.monotonic()
        result = one(start(lambda connection, line, number: True), recorder)

        assert [Outcome.TIMEOUT] == list(recorder.copy()[2])
        assert result.broken
        assert time.monotonic() - began < 8

    def test_endless_reply_is_bounded(
        self, start: Start, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A reply that never ends is given up when it passes the largest size, not when memory is full."""
        monkeypatch.setattr(engine, "LARGEST_REPLY_BYTES", 2**20)

        def endless(connection: socket.socket, line: bytes, number: int) -> bool:
            while True:
                connection.sendall(b"x" * 65536)

        result = one(start(endless), recorder)

        assert [Outcome.LOST] == list(recorder.copy()[2])
        assert "1 MiB" in str(result.problem)

    def test_persistent_refusal_ends_the_slice(self, start: Start, recorder: Recorder) -> None:
        """After many failed calls in a row the rest would say nothing new."""

        def refuse(connection: socket.socket, line: bytes, number: int) -> bool:
            connection.sendall(b"no\n")
            return True

        one(start(refuse), recorder)

        assert engine.ERRORS_IN_A_ROW == recorder.length

    def test_finite_calls_are_made_once(self, start: Start, recorder: Recorder) -> None:
        """A user whose calls consume something stops when they are used up, across slices."""
        server = start()
        user = driver_of(wire(server, *[b"hello %d\n" % i for i in range(50)]), finite=True)
        drive_one(user, recorder, seconds=5, calls=30)
        drive_one(user, recorder, seconds=5, first=30)

        assert server.lines == recorder.length == 50

    def test_steps_of_a_call_are_timed_together(self, start: Start, recorder: Recorder) -> None:
        """A call of three steps is one sample and three exchanges."""
        server = start()
        drive_one(driver_of(wire(server, b"hello\n", steps=3), finite=False), recorder, seconds=5, calls=10)

        assert (10, 30) == (recorder.length, server.lines)

    def test_what_comes_before_a_call_is_not_timed(self, start: Start, recorder: Recorder) -> None:
        """What a call consumes is put back before each, and the time that takes is neither the call's nor the slice's."""
        put_back: list[float] = []

        def before() -> None:
            time.sleep(0.01)
            put_back.append(time.perf_counter())

        driver = driver_of(replace(wire(start(), b"hello\n"), before=before), finite=False)
        began = time.perf_counter_ns()
        result = drive_one(driver, recorder, seconds=5, calls=20)
        took_ns = time.perf_counter_ns() - began
        _, latencies, _ = recorder.copy()

        assert len(put_back) == recorder.length == 20
        assert sum(latencies) <= result.elapsed_ns <= took_ns - 20 * 10_000_000

    def test_last_answer_is_kept_for_verification(self, start: Start, recorder: Recorder) -> None:
        """First and last answers are among those kept, whatever came between."""
        user = driver_of(wire(start(), b"hello first\n", b"hello\n", b"hello last\n"), finite=True)
        result = drive_one(user, recorder, seconds=5)

        assert [b"hello first\n"] == result.replies[0]
        assert [b"hello last\n"] == result.replies[-1]


class TestManyUsers:
    def test_every_call_of_every_user_is_recorded(self, start: Start, recorder: Recorder) -> None:
        """The server has seen exactly the calls that were recorded, those in flight at the end included."""
        server = start()
        many(server, recorder, 8, seconds=0.3)

        assert server.lines == recorder.length > 8

    def test_a_system_without_epoll_measures_the_same_way(
        self, start: Start, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On macOS, too, every call of every user is recorded."""
        monkeypatch.delattr(engine.select, "epoll")
        server = start()
        result = many(server, recorder, 8, seconds=0.3)

        assert server.lines == recorder.length > 8
        assert result.problem is None

    def test_users_wait_for_their_answers(self, start: Start, recorder: Recorder) -> None:
        """
        With a server that takes 10 ms, eight users make never more than eight calls in 10 ms, and about eight are under
        way all the time.
        """
        result = many(start(slowly(0.005)), recorder, 8, seconds=0.3)
        _, latencies, _ = recorder.copy()

        assert min(latencies) >= 10_000_000
        assert recorder.length <= 8 * (result.elapsed_ns / 10_000_000 + 1)
        assert 5 * result.elapsed_ns < sum(latencies) <= 8 * result.elapsed_ns

    def test_lost_connection_is_an_outcome(self, start: Start, recorder: Recorder) -> None:
        """One user's lost connection is one LOST call, and the slice says that it is broken."""
        result = many(
            start(lambda connection, line, number: number < 20 and echo(connection, line, number)),
            recorder,
            4,
        )

        assert result.broken
        assert list(recorder.copy()[2]).count(Outcome.LOST) >= 1

    def test_silence_ends_at_the_deadline(
        self, start: Start, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Users that are never answered are as many TIMEOUT samples."""
        monkeypatch.setattr(engine, "CALL_DEADLINE_S", 1.0)
        many(start(lambda connection, line, number: True), recorder, 3)

        assert [Outcome.TIMEOUT] * 3 == list(recorder.copy()[2])

    def test_trickle_ends_at_the_deadline(
        self, start: Start, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A reply of which a byte comes now and then, for ever, is a TIMEOUT too."""
        monkeypatch.setattr(engine, "CALL_DEADLINE_S", 0.5)

        def trickle(connection: socket.socket, line: bytes, number: int) -> bool:
            for _ in range(400):
                connection.sendall(b"x")
                time.sleep(0.05)
            return False

        began = time.monotonic()
        result = many(start(trickle), recorder, 2)

        assert Outcome.TIMEOUT in list(recorder.copy()[2])
        assert result.broken
        assert time.monotonic() - began < 10

    def test_call_that_cannot_be_sent_is_an_outcome(self, start: Start, recorder: Recorder) -> None:
        """Where the connection is found broken when the call is sent, the call is LOST, not dropped."""
        crowd = [User(wire(start(), b"hello\n"), finite=False) for _ in range(2)]
        crowd[1].sockets[0].shutdown(socket.SHUT_WR)
        result = drive_many(crowd, recorder, seconds=1)

        assert result.broken
        assert [Outcome.LOST] == list(recorder.copy()[2])

    def test_finite_calls_go_on_in_the_next_slice(self, start: Start, recorder: Recorder) -> None:
        """Each user's calls are made once, in two slices as in one."""
        server = start()
        crowd = [User(wire(server, *[b"hello %d\n" % i for i in range(40)]), finite=True) for _ in range(5)]
        drive_many(crowd, recorder, seconds=5, calls=60)
        drive_many(crowd, recorder, seconds=5)

        assert server.lines == recorder.length == 200

    def test_steps_of_a_call_are_timed_together(self, start: Start, recorder: Recorder) -> None:
        """A call of two steps is one sample and two exchanges, for each of many users too."""
        server = start()
        crowd = [User(wire(server, b"hello\n", steps=2), finite=False) for _ in range(3)]
        drive_many(crowd, recorder, seconds=0.1)

        assert server.lines == 2 * recorder.length
