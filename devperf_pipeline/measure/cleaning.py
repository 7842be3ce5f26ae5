"""
How does everything of ours leave when a run ends, and how long may that take?

All services at the same time, each in a thread of its own. Who asked to stop waits seconds, not minutes: what is then
left is removed by the next baseline of these services, or by `devperf clean`.
"""

import threading
import time
from collections.abc import Callable, Mapping

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.services.operation import Session

LONGEST_S = 60.0
"""A run that ended by itself waits so long for a service."""

HURRIED_S = 4.0
"""So long where somebody asked to stop."""


def clean_and_close(
    sessions: Mapping[str, Session], *, stack: str, say: Callable[[str], None], hurried: bool
) -> None:
    """
    Remove our objects at every service and end its session; says where that did not end in time.

    Where it is asked to stop in the middle, it goes on for `HURRIED_S`.
    """
    failed: dict[str, str] = {}
    threads = {
        name: threading.Thread(
            target=_clean_and_close, args=(name, session, failed), name=f"cleaning {name}", daemon=True
        )
        for name, session in sessions.items()
    }
    for thread in threads.values():
        thread.start()
    try:
        _wait(threads, HURRIED_S if hurried else LONGEST_S)
    finally:
        if not hurried:
            _wait(threads, HURRIED_S)
        left = [name for name, thread in threads.items() if thread.is_alive()]
        for name, why in failed.items():
            say(f"{name}: what is ours could not be removed: {why}")
        if left:
            say(
                f"Not everything of ours is removed yet at {', '.join(left)}: the next baseline does it before it begins, "
                f"or at once: devperf clean --stack {stack}"
            )


def _wait(threads: Mapping[str, threading.Thread], longest_s: float) -> None:
    ends = time.monotonic() + longest_s
    for thread in threads.values():
        thread.join(max(0.0, ends - time.monotonic()))


def _clean_and_close(name: str, session: Session, failed: dict[str, str]) -> None:
    try:
        session.clean()
    except (ServiceError, OSError, *session.exceptions) as error:
        failed[name] = f"{type(error).__name__}: {error}"
    session.close()
