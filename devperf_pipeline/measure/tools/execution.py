"""How is a tool run, so that it ends when we say, tells no password, and its text is read?"""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.local.process import small_environment

GRACE_S = 10.0
"""How much longer than it should a tool may run."""

LARGEST_TEXT = 4 * 2**20
"""A tool that prints more than this is not read to the end."""


class ToolFailed(ServiceError):
    """A tool could not be started, did not end in time, or said that it failed. The message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """
    A run that ended: what it printed, when it began (wall clock), the share of one core that it used, and the last
    lines of what it complained of.
    """

    text: str
    began_at_ns: int
    client_share: float
    complaint: str = ""


def run(
    arguments: Sequence[str | int | Path],
    *,
    folder: Path,
    expected_s: float,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """
    Run a tool in a private folder until it ends; kill it with all its children `GRACE_S` after `expected_s`.

    Raises `ToolFailed` where it could not be started, did not end, or its exit status is not 0.
    """
    name = Path(str(arguments[0])).name
    printed, complained = folder / "printed", folder / "complained"
    before, began_at_ns, began = _children_s(), time.time_ns(), time.monotonic()
    with printed.open("wb") as out, complained.open("wb") as err:
        try:
            process = subprocess.Popen(
                [str(part) for part in arguments],
                cwd=folder,
                env=small_environment(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolFailed(f"{name} could not be started: {error.strerror}") from error
        try:
            status = process.wait(timeout=expected_s + GRACE_S)
        except subprocess.TimeoutExpired as error:
            raise ToolFailed(
                f"{name} should have ended after {expected_s:.0f} s and was killed {GRACE_S:.0f} s later; "
                f"it said: {said(complained) or 'nothing'}"
            ) from error
        finally:
            _end(process)
    took_s = time.monotonic() - began
    if status:
        raise ToolFailed(f"{name} ended with {status}: {said(complained) or said(printed) or 'nothing said'}")
    return Finished(
        text=_start_of(printed),
        began_at_ns=began_at_ns,
        client_share=(_children_s() - before) / took_s if took_s else 0.0,
        complaint=said(complained),
    )


def find_program(name: str, *, beside: Path | None = None) -> Path | None:
    """A tool's program: beside the server that it came with, or on PATH; None if it is not on this machine."""
    near = beside.parent / name if beside else None
    if near and os.access(near, os.X_OK):
        return near
    found = shutil.which(name)
    return Path(found) if found else None


def said(path: Path) -> str:
    """The last lines of what a tool said, on one line."""
    lines = [" ".join(line.split()) for line in _start_of(path).splitlines()]
    return "; ".join(dict.fromkeys(line for line in lines if line))[-400:]


def _start_of(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(LARGEST_TEXT).decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it is left, however we leave."""
    with suppress(ProcessLookupError, PermissionError):  # it has ended; on macOS an ended one cannot be asked
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _children_s() -> float:
    """CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
