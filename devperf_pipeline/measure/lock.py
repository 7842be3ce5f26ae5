"""
Who is measuring on this machine? One at a time.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devperf_pipeline.errors import AlreadyMeasuring

POLL_S = 0.5


def lock_path() -> Path:
    """
    One file for each user of the machine: two checkouts would disturb each other as much as two runs of one.
    """
    return Path("/var/tmp") / f"devperf-measuring-{os.getuid()}.lock"  # noqa: S108 - opened without following links


@contextmanager
def only_one(*, wait_s: float = 60.0, cancelled: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """
    Hold the lock while measuring. The kernel frees it when its holder dies, however that happens.

    Args:
        wait_s: how long another holder is waited for.
        cancelled: asked while waiting; True gives up.

    Raises:
        AlreadyMeasuring: the lock is still held after `wait_s`, or waiting was cancelled.

    """
    path = lock_path()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        give_up = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up or cancelled():
                    holder = (
                        os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "an unknown process"
                    )
                    raise AlreadyMeasuring(
                        f"Expected to be the only one measuring on this machine, but {holder} holds {path}. "
                        "Two at once would measure each other: wait until it ends, or stop it."
                    ) from None
                time.sleep(POLL_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(
            descriptor, f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')},".encode(), 0
        )
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
