"""
How are calls made, and where is the clock?

Two loops, and nothing else in this project reads the clock of a call:
`drive_one` for one user, who waits in the kernel for each answer, through prepared bytes or through a driver;
`drive_many` for many users of prepared bytes, on one epoll (on one poll where the system has no epoll: macOS).
Neither knows any protocol, nor whether a socket encrypts: one that does gives a whole record (16 KiB at most) to
whoever takes as much as these do, so nothing that epoll cannot see is left in it.

A call ends after its deadline whatever the server does: sockets wait in slices of a second, so a signal is
answered within one.
"""

import gc
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.operation import Driver, Step, Wire

CALL_DEADLINE_S = 10.0
SLICE_S = 1.0
LARGEST_REPLY_BYTES = 64 * 2**20
CHUNK_BYTES = 256 * 1024
ERRORS_IN_A_ROW = 200
"""After so many failed calls in a row the rest of a slice would say nothing new."""

NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket raises that has nothing to give or take: a plain one, and one that encrypts."""

OK = int(Outcome.OK)
clock = time.perf_counter_ns

Verify = Callable[[Any], str | None]
"""What is wrong with a kept reply, or None."""


class CallTimeout(Exception):
    """No whole answer within the deadline."""


class CallLost(Exception):
    """The connection ended, or the reply grew past every bound."""


@dataclass(slots=True)
class Slice:
    """
    How a slice went, beside its timings: right replies to be verified in full, and why it ended early.

    `refused` is a reply that was not right (None: there was none), `raised` what the driver said in its place.
    """

    elapsed_ns: int = 0
    replies: list[Any] = field(default_factory=list[Any])
    refused: Any = None
    raised: str | None = None
    problem: str | None = None
    broken: bool = False
    """The connections cannot be used again."""
    cpu_ns: list[int] = field(default_factory=list[int])
    """CPU time that the loop took, of each process that had one."""

    def join(self, more: "Slice") -> None:
        """Go on with another slice of the same calls."""
        self.elapsed_ns += more.elapsed_ns
        self.replies += more.replies
        self.refused = self.refused if more.refused is None else more.refused
        self.raised, self.problem, self.broken = more.raised or self.raised, more.problem, more.broken
        # A process has a number of its own only where several share a slice.
        self.cpu_ns = [sum(self.cpu_ns) + sum(more.cpu_ns)]


def first_wrong(piece: Slice, verify: Verify) -> str | None:
    """What is wrong with the first kept reply that is."""
    wrong = next(filter(None, map(verify, piece.replies)), None)
    return wrong and f"a sampled answer was wrong: {wrong}"


def blocking(sockets: Sequence[socket.socket]) -> None:
    """Let the kernel wait: blocking sockets whose receive gives up after a slice, without a poll before each call."""
    timeout = struct.pack("ll", int(SLICE_S), int(SLICE_S % 1 * 1e6))
    for sock in sockets:
        # Python takes them for nonblocking: of TLS it would go on waiting when the kernel has given up.
        sock.setblocking(False)
        os.set_blocking(sock.fileno(), True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)


def receive_rest(sock: socket.socket, start: bytes, complete: Callable[[bytes], bool]) -> bytes:
    """Receive until the reply is whole, having received `start` already; raises `CallTimeout` or `CallLost`."""
    buffer = bytearray(start)
    deadline = clock() + int(CALL_DEADLINE_S * 1e9)
    while not buffer or not complete(buffer):  # type: ignore[arg-type]  # bytearray has all that bytes has here
        if clock() > deadline:
            raise CallTimeout
        if len(buffer) > LARGEST_REPLY_BYTES:
            raise CallLost(f"the reply grew past {LARGEST_REPLY_BYTES // 2**20} MiB")
        try:
            chunk = sock.recv(CHUNK_BYTES)
        except NOTHING_YET:
            continue
        if not chunk:
            raise CallLost("the server closed the connection")
        buffer += chunk
    return bytes(buffer)


def exchange(sockets: Sequence[socket.socket], call: tuple[Step, ...]) -> list[bytes]:
    """Make one call on blocking sockets, one reply for each step; raises `CallTimeout`, `CallLost` or `OSError`."""
    replies: list[bytes] = []
    for data, complete, i in call:
        sock = sockets[i]
        sock.sendall(data)
        try:
            reply = sock.recv(CHUNK_BYTES)
        except NOTHING_YET:
            reply = b""
        else:
            if not reply:
                raise CallLost("the server closed the connection")
        if not reply or not complete(reply):
            reply = receive_rest(sock, reply, complete)
        replies.append(reply)
    return replies


def driver_of(wire: Wire, *, finite: bool) -> Driver:
    """
    Prepared bytes as calls of one user, so that one loop serves both instruments.

    `finite` calls are made once; others are cycled.
    """
    sockets, calls, count = wire.sockets, wire.calls, len(wire.calls)
    blocking(sockets)
    return Driver(
        call=lambda k: exchange(sockets, calls[k % count]),
        check=wire.check,
        verify=wire.verify,
        exceptions=(CallTimeout, CallLost, OSError),
        failure=lambda error: Outcome.TIMEOUT if isinstance(error, CallTimeout) else Outcome.LOST,
        size=count if finite else None,
        before=wire.before,
    )


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep the collector out of the timings; it runs between slices."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def drive_one(
    driver: Driver, recorder: Recorder, *, seconds: float, first: int = 0, calls: int | None = None
) -> Slice:
    """
    One user makes call after call, for `seconds` or `calls`, whichever ends first.

    Args:
        driver: the user's calls; call number `first` is made first.
        recorder: gets begin, latency and outcome of each call.
        seconds: no call begins later than this.
        first: the number of the first call.
        calls: no more than these (None: as many as there are).

    """
    result = Slice()
    ask, check, failure, exceptions = driver.call, driver.check, driver.failure, driver.exceptions
    before, aside_ns = driver.before, 0
    begins, latencies, outcomes, n = recorder.begin_ns, recorder.latency_ns, recorder.outcome, recorder.length
    room = recorder.capacity - n
    last = first + min(room, room if calls is None else calls)
    if driver.size is not None:
        last = min(last, driver.size)
    keep_at, in_a_row, reply = first, 0, None
    with no_garbage_collection():
        cpu_ns = time.thread_time_ns()
        start = end = clock()
        origin = start if recorder.origin_ns is None else recorder.origin_ns
        stop = start + int(seconds * 1e9)
        for k in range(first, last):
            if before is not None:
                begin = clock()
                before()
                aside_ns += clock() - begin
            begin = clock()
            try:
                reply = ask(k)
            except exceptions as error:
                end = clock()
                outcome = failure(error)
                reply, result.raised = None, f"{type(error).__name__}: {error}".rstrip(": ")
            else:
                end = clock()
                outcome = check(reply)
            begins[n] = begin - origin
            latencies[n] = end - begin
            outcomes[n] = outcome
            n += 1
            if outcome != OK:
                in_a_row += 1
                result.refused = reply
                if in_a_row >= ERRORS_IN_A_ROW or outcome in {Outcome.TIMEOUT, Outcome.LOST}:
                    break
            else:
                in_a_row = 0
                if k >= keep_at:
                    result.replies.append(reply)
                    keep_at = 8 * k + 7
            if end >= stop:
                break
        result.cpu_ns.append(time.thread_time_ns() - cpu_ns)
    recorder.length, recorder.origin_ns = n, origin
    result.elapsed_ns = end - start - aside_ns
    result.broken = bool(n) and outcomes[n - 1] in {Outcome.TIMEOUT, Outcome.LOST}
    if result.broken or in_a_row >= ERRORS_IN_A_ROW:
        result.problem = result.raised
    if in_a_row == 0 and reply is not None:
        result.replies.append(reply)  # the last answer
    return result


class User:
    """
    One of many users of prepared bytes: which call it is at, which step of it, what has arrived.

    It goes on where it was in the next slice, so finite calls are never made twice.
    """

    __slots__ = ("arrived", "begin", "calls", "k", "last", "lost", "replies", "sockets", "step", "wire")

    def __init__(self, wire: Wire, *, finite: bool) -> None:
        self.wire = wire
        self.calls = wire.calls
        self.sockets = wire.sockets
        self.k = 0
        self.last = len(wire.calls) if finite else 2**62
        self.step = 0
        self.begin = 0
        self.lost = False
        self.arrived: bytes | bytearray = b""
        self.replies: list[bytes] = []


class Poll:
    """As much of epoll as `drive_many` needs, by way of poll."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register = self._poll.register

    def poll(self, seconds: float) -> list[tuple[int, int]]:
        """The descriptors that can be read, at the latest after `seconds`."""
        return self._poll.poll(seconds * 1000)

    def close(self) -> None:
        """Nothing is to be closed."""


def drive_many(  # one piece on purpose: in a loop of microseconds a function call is felt
    users: Sequence[User], recorder: Recorder, *, seconds: float, calls: int | None = None
) -> Slice:
    """
    Many users on one epoll, each of whom makes its next call when its last was answered.

    No call begins after `seconds`, or after `calls` of all users together; those in flight are waited for.
    Each user makes one call, however few `calls` are.
    """
    result = Slice()
    begins, latencies, outcomes, n = recorder.begin_ns, recorder.latency_ns, recorder.outcome, recorder.length
    # The other users' calls are in flight when one ends: with them it is as many as were wished for.
    most = min(recorder.capacity, n + calls if calls is not None else recorder.capacity) - len(users) + 1
    poller = select.epoll() if hasattr(select, "epoll") else Poll()
    by_fd: dict[int, tuple[User, socket.socket]] = {}
    for user in users:
        for sock in user.sockets:
            sock.setblocking(False)
            poller.register(sock.fileno(), select.POLLIN)  # the same bit to epoll
            by_fd[sock.fileno()] = (user, sock)
    poll = poller.poll
    under_way, keep_at, in_a_row = 0, 0, 0
    user = users[0]
    cpu_ns = time.thread_time_ns()
    start = end = clock()
    try:
        with no_garbage_collection():
            start = end = clock()
            if recorder.origin_ns is None:
                recorder.origin_ns = start
            origin = recorder.origin_ns
            stop = start + int(seconds * 1e9)
            for user in users:
                if user.k >= user.last:
                    continue
                step = user.calls[user.k % len(user.calls)][0]
                user.begin = clock()
                send_all(user.sockets[step.socket], step.data)
                under_way += 1
            heard = clock()
            while under_way:
                events = poll(SLICE_S)
                if not events:
                    if clock() - heard > CALL_DEADLINE_S * 1e9:
                        break
                    continue
                for fd, _ in events:
                    user, sock = by_fd[fd]
                    try:
                        data = sock.recv(CHUNK_BYTES)
                    except NOTHING_YET:
                        continue
                    except OSError as error:
                        data, result.problem = b"", str(error)
                    if not data:
                        result.problem = result.problem or "the server closed the connection"
                        result.broken = user.lost = True
                        break
                    call = user.calls[user.k % len(user.calls)]
                    _, complete, _ = call[user.step]
                    if user.arrived:
                        if len(user.arrived) > LARGEST_REPLY_BYTES:
                            result.problem = f"a reply grew past {LARGEST_REPLY_BYTES // 2**20} MiB"
                            result.broken = user.lost = True
                            break
                        user.arrived += data
                        data = user.arrived
                    if not complete(data):  # type: ignore[arg-type]  # bytearray has all that bytes has here
                        if not user.arrived:
                            user.arrived = bytearray(data)
                        elif clock() - user.begin > CALL_DEADLINE_S * 1e9:
                            # It trickles: something is heard all the time, and the call does not end.
                            result.broken = True
                            break
                        continue
                    user.arrived = b""
                    user.replies.append(bytes(data))
                    user.step += 1
                    if user.step < len(call):
                        step = call[user.step]
                        send_all(user.sockets[step.socket], step.data)
                        continue
                    heard = end = clock()
                    outcome = user.wire.check(user.replies)
                    begins[n] = user.begin - origin
                    latencies[n] = end - user.begin
                    outcomes[n] = outcome
                    if outcome != OK:
                        in_a_row += 1
                        result.refused = (user.wire, user.replies)
                    else:
                        in_a_row = 0
                        if n >= keep_at:
                            result.replies.append((user.wire, user.replies))
                            keep_at = 8 * n + 7
                    n += 1
                    user.replies = []
                    user.step = 0
                    user.k += 1
                    if end >= stop or n >= most or user.k >= user.last or in_a_row >= ERRORS_IN_A_ROW:
                        user.begin = 0
                        under_way -= 1
                        continue
                    step = user.calls[user.k % len(user.calls)][0]
                    user.begin = clock()
                    send_all(user.sockets[step.socket], step.data)
                if result.broken:
                    break
            if under_way:
                end = clock()
                n = _record_unanswered(users, recorder, n, end)
                result.broken = True
                result.problem = (
                    result.problem or f"{under_way} calls were not answered within {CALL_DEADLINE_S:.0f} s"
                )
    except OSError as error:
        result.problem, result.broken = f"the connection broke: {error}", True
        user.lost, end = True, clock()
        n = _record_unanswered(users, recorder, n, end)
    finally:
        poller.close()
    recorder.length = n
    result.elapsed_ns = end - start
    result.cpu_ns.append(time.thread_time_ns() - cpu_ns)
    return result


def _record_unanswered(users: Sequence[User], recorder: Recorder, n: int, now: int) -> int:
    """A call that was begun and never answered is a sample too; calls that we abandoned with it are not."""
    origin = recorder.origin_ns or 0
    for user in users:
        if user.begin and (user.lost or now - user.begin > CALL_DEADLINE_S * 1e9):
            recorder.begin_ns[n] = user.begin - origin
            recorder.latency_ns[n] = now - user.begin
            recorder.outcome[n] = Outcome.LOST if user.lost else Outcome.TIMEOUT
            n += 1
    return n


def send_all(sock: socket.socket, data: bytes) -> None:
    """Send on a nonblocking socket; what the kernel does not take at once is rare and waited for."""
    try:
        sent = sock.send(data)
    except NOTHING_YET:
        sent = 0
    while sent < len(data):
        if not select.select((), (sock,), (), SLICE_S)[1]:
            raise BlockingIOError("the server takes no more")
        with suppress(*NOTHING_YET):
            sent += sock.send(data[sent:])
