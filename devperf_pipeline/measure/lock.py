"""Who is measuring on this machine? One at a time."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devperf_pipeline.errors import AlreadyMeasuring, ConfigurationError

POLL_S = 0.5


def lock_path() -> Path:
    """
    One file for each user of the machine: two checkouts would disturb each other as much as two runs of one.

    DEVPERF_LOCK names another one, for whoever does not mind: tests look at what is done, not at how fast.
    """
    default = f"/var/tmp/devperf-measuring-{os.getuid()}.lock"  # noqa: S108 - opened without following links
    return Path(os.environ.get("DEVPERF_LOCK") or default)


@contextmanager
def only_one(*, wait_s: float = 3.0, cancelled: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """
    Hold the lock while measuring. The kernel frees it when its holder dies, however that happens.

    Args:
        wait_s: how long another holder is waited for: one that is ending needs seconds, one that measures minutes.
        cancelled: asked while waiting; True gives up.

    Raises:
        AlreadyMeasuring: the lock is still held after `wait_s`, or waiting was cancelled.
        ConfigurationError: the lock file cannot be opened.

    """
    path = lock_path()
    give_up = time.monotonic() + wait_s
    while (descriptor := _locked(path)) is None:
        if time.monotonic() > give_up or cancelled():
            raise AlreadyMeasuring(
                f"Expected to be the only one measuring on this machine, but {_holder(path)} holds {path}. "
                "Two at once would measure each other: wait until it ends, or stop it."
            )
        time.sleep(POLL_S)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(
            descriptor, f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')},".encode(), 0
        )
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int | None:
    """The descriptor of the lock file, locked; None if somebody else has it, or removed it just now."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"Expected to open the lock file {path}, found that it is not possible: {error.strerror}. "
            "Remove what is there, or make it yours."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A file that its holder removed is no lock any more: who comes next makes a new one.
        if path.lstat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or "an unknown process"
    except FileNotFoundError:
        return "a process that has just ended"
