"""
How do many users share several engine processes?

One event loop fills one core; where another is free, a second process takes half of the users.
Processes are made by fork before the clock starts, so each has the same prepared bytes on the same connections.
They begin together and read one clock: the monotonic clock is common to all processes of a machine.
"""

import ctypes
import heapq
import json
import os
import selectors
import signal
import ssl
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from devperf_pipeline.measure.engine import (
    CALL_DEADLINE_S,
    SLICE_S,
    Slice,
    User,
    Verify,
    clock,
    drive_many,
    first_wrong,
)
from devperf_pipeline.measure.recorder import Recorder

TOGETHER_NS = 20_000_000
"""How long after the last process is ready all of them begin: long enough for each to have heard of it."""

GRACE_S = 20.0
"""How long a process may take beside its calls: to start, and to hand over what it recorded."""

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Engine:
    """One process: its id, the pipes to and from it, and what came from it so far."""

    pid: int
    go: int
    come: int
    heard: bytearray = field(default_factory=bytearray)


def drive_shared(
    users: Sequence[User],
    recorder: Recorder,
    *,
    seconds: float,
    calls: int | None,
    processes: int,
    verify: Verify,
) -> Slice:
    """
    As `drive_many`, by so many processes, each with its share of users and calls.

    Calls are recorded in the order of their ends, whichever process made them. Replies stay where they were
    received: each process verifies its own, and a wrong one is the slice's `problem`.
    """
    if processes == 1:
        return drive_many(users, recorder, seconds=seconds, calls=calls)
    shares = [users[number::processes] for number in range(processes)]
    room = recorder.capacity - recorder.length
    most = room if calls is None else min(room, calls)
    engines: list[_Engine] = []
    try:
        for number, share in enumerate(shares):
            # The first ones take what cannot be shared evenly.
            limit = most // processes + (number < most % processes)
            engines.append(_fork(share, seconds, limit, verify))
        deadline = time.monotonic() + seconds + CALL_DEADLINE_S + GRACE_S
        _hear(engines, deadline, until=lambda engine: bool(engine.heard))
        begin_at = clock() + TOGETHER_NS
        for engine in engines:
            with suppress(BrokenPipeError):  # it has died; what is missing is told below
                os.write(engine.go, begin_at.to_bytes(8, "big"))
        _hear(engines, deadline, until=lambda _: False)
    finally:
        for engine in engines:
            os.close(engine.go)
            os.close(engine.come)
            # A zombie until we have waited, so its id is nobody else's.
            os.kill(engine.pid, signal.SIGKILL)
            os.waitpid(engine.pid, 0)
    merged = _merged([_read(engine) for engine in engines], recorder)
    # Who encrypts counts records: what the processes sent is not counted here.
    merged.broken |= any(isinstance(sock, ssl.SSLSocket) for user in users for sock in user.sockets)
    return merged


def _fork(users: Sequence[User], seconds: float, calls: int, verify: Verify) -> _Engine:
    go_read, go_write = os.pipe()
    come_read, come_write = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(go_read)
        os.close(come_write)
        return _Engine(pid, go_write, come_read)
    try:
        _end_with(parent)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.close(go_write)  # so that it ends when we do
        _run(users, seconds, calls, verify, go=go_read, come=come_write)
    finally:
        # Whatever happened: nothing of the parent's may run a second time here.
        os._exit(0)


def _end_with(parent: int) -> None:
    """
    Let the kernel kill this process when its parent dies, as after SIGKILL: a server must not be asked on for nobody.

    Where the kernel cannot, the process ends with its window; until then it holds the lock of whoever measures.
    """
    with suppress(AttributeError):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it died before we could say so


def _run(users: Sequence[User], seconds: float, calls: int, verify: Verify, *, go: int, come: int) -> None:
    """The life of an engine process: ready, wait for the word, drive, hand over."""
    recorder = Recorder(max(calls, len(users)))
    with os.fdopen(come, "wb") as pipe:
        pipe.write(b"r")
        pipe.flush()
        word = os.read(go, 8)
        if not word:
            return
        time.sleep(max(0, int.from_bytes(word, "big") - clock()) / 1e9)
        piece = drive_many(users, recorder, seconds=seconds, calls=calls)
        about = {
            "origin_ns": recorder.origin_ns,
            "elapsed_ns": piece.elapsed_ns,
            "cpu_ns": piece.cpu_ns,
            "broken": piece.broken,
            "problem": piece.problem or first_wrong(piece, verify),
            "raised": None if piece.refused is None else verify(piece.refused),
        }
        pipe.write(json.dumps(about).encode() + b"\n")
        for column in recorder.copy():
            pipe.write(bytes(memoryview(column)))  # type: ignore[arg-type]  # slices of arrays are arrays


def _hear(engines: Sequence[_Engine], deadline: float, *, until: Callable[[_Engine], bool]) -> None:
    """Receive from every process until `until` says so or it has ended, at the latest until the deadline."""
    with selectors.DefaultSelector() as selector:
        for engine in engines:
            selector.register(engine.come, selectors.EVENT_READ, engine)
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(SLICE_S):
                more = os.read(key.fd, 2**20)
                key.data.heard += more
                if not more or until(key.data):
                    selector.unregister(key.fd)


@dataclass(slots=True)
class _Share:
    """
    What one process did: how its slice went, when it began, and its calls in the order of their ends: end and begin
    by the clock of all, latency, outcome.
    """

    piece: Slice
    origin_ns: int = 0
    calls: Iterable[tuple[int, int, int, int]] = ()


def _read(engine: _Engine) -> _Share:
    """What a process handed over; where it could not, a broken slice that says so."""
    head, _, rest = bytes(engine.heard[1:]).partition(b"\n")
    try:
        about = json.loads(head)
    except ValueError:
        about = None
    if about is None or len(rest) % 17:
        return _Share(Slice(broken=True, problem="an engine process ended before it told what it measured"))
    n = len(rest) // 17
    begin, latency, outcome = array("q"), array("q"), array("b")
    begin.frombytes(rest[: 8 * n])
    latency.frombytes(rest[8 * n : 16 * n])
    outcome.frombytes(rest[16 * n :])
    origin_ns = about.pop("origin_ns")
    calls = (
        (origin_ns + b + took, origin_ns + b, took, ended)
        for b, took, ended in zip(begin, latency, outcome, strict=True)
    )
    return _Share(Slice(**about), origin_ns, calls)


def _merged(shares: Sequence[_Share], recorder: Recorder) -> Slice:
    """All shares as one slice; their calls are added to the recorder."""
    told = [share for share in shares if share.origin_ns]
    pieces = [share.piece for share in shares]
    result = Slice(
        cpu_ns=[used for piece in pieces for used in piece.cpu_ns],
        problem=next((piece.problem for piece in pieces if piece.problem), None),
        raised=next((piece.raised for piece in pieces if piece.raised), None),
        broken=any(piece.broken for piece in pieces),
    )
    if not told:
        return result
    start = min(share.origin_ns for share in told)
    result.elapsed_ns = max(share.origin_ns + share.piece.elapsed_ns for share in told) - start
    if recorder.origin_ns is None:
        recorder.origin_ns = start
    n = recorder.length
    for _, begin, latency, outcome in heapq.merge(*(share.calls for share in told)):
        recorder.begin_ns[n] = begin - recorder.origin_ns
        recorder.latency_ns[n], recorder.outcome[n] = latency, outcome
        n += 1
    recorder.length = n
    return result
