"""
What does Ctrl-C do? The first one stops the work; those after it wait until everything is tidied up.

A second one in the middle of tidying up would leave servers running and objects lying in other people's stacks.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what a supervisor sends, and what a terminal sends when it is closed."""

TIDYING = b"Stopping: tidying up first, a few seconds.\n"


@contextlib.contextmanager
def interrupted_once(raised: type[BaseException]) -> Iterator[None]:
    """
    Let the first signal raise `raised` here, and later ones only say that the end has begun.

    Signals that are ignored stay ignored (nohup). Only the main thread hears signals; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stopping = False

    def hear(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            # Not print: we may be in the middle of one. The terminal may be gone, too.
            with contextlib.suppress(OSError):
                os.write(2, TIDYING)
            return
        stopping = True
        raise raised

    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


class TookTooLong(Exception):
    """What was given some seconds did not end in them."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise `TookTooLong` where this takes longer, wherever it is then. In other threads than the main one it may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    is_over = False

    def over(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_over
        is_over = True
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except RuntimeError as error:
        if not is_over:
            raise
        raise TookTooLong from error  # DuckDB ends a statement with an error of its own
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def no_more() -> None:
    """Hear no signal from here on: the work is stopped and tidied up, and the process is about to end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
