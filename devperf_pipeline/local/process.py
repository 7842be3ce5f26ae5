"""
How is a server's process started, recognised again, and ended?

A process id alone names nobody: the system gives it away again. An id together with the moment of its birth does.
"""

import contextlib
import os
import pwd
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

GRACE_S = 5.0
"""How long a server may take to end by itself before it is killed. Its data is thrown away anyhow."""

SAME_BIRTH_S = 0.5
"""Births are told from the wall clock, which is adjusted in small steps; ids are not reused that fast."""

TAIL_LINES = 12
_NOT_TEXT = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_children: dict[int, subprocess.Popen[bytes]] = {}
"""What this process started, kept so that the dead are reaped and do not look alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """
    One process that we started: enough to know it again in another run of this project.

    `main` processes do the service's work; others only help (Erlang's port mapper).
    `stop_signal` is the one that asks this server to end at once, in order; it is killed after `grace_s`.
    """

    service: str
    pid: int
    born_s: float
    main: bool = True
    stop_signal: int = signal.SIGTERM
    grace_s: float = GRACE_S


def account() -> pwd.struct_passwd | None:
    """The user that servers run as: nobody when we are root, since some refuse root; otherwise ourselves (None)."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def small_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A small environment of our own: nothing that the caller's shell holds reaches a server."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **kept, **extra}


def tail(said: str) -> str:
    """The end of what a program said, without colours and other orders to a terminal."""
    return "\n".join(_NOT_TEXT.sub("", said).splitlines()[-TAIL_LINES:])


def spawn(
    argv: Sequence[str | Path],
    *,
    folder: Path,
    log: BinaryIO,
    user: pwd.struct_passwd | None,
    environment: Mapping[str, str],
    given: Path | None = None,
) -> subprocess.Popen[bytes]:
    """
    Start a process in a session of its own, so that Ctrl-C in our terminal does not reach it.

    It reads `given`, or nothing.

    Raises:
        OSError: the program is not there, or may not be executed.

    """
    with (given or Path(os.devnull)).open("rb") as source:
        child = subprocess.Popen(
            [str(part) for part in argv],
            cwd=folder,
            env=environment,
            stdin=source,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
    _children[child.pid] = child
    return child


def born_s(pid: int) -> float:
    """When that process began, in seconds of the wall clock; 0 if it is gone already."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def find(recorded: Recorded) -> psutil.Process | None:
    """The living process of that record, or None: it ended, or its id belongs to somebody else now."""
    if recorded.pid in _children:
        _children[recorded.pid].poll()
    try:
        process = psutil.Process(recorded.pid)
        same = abs(process.create_time() - recorded.born_s) < SAME_BIRTH_S
        return process if same and _lives(process) else None
    except psutil.NoSuchProcess:
        return None


def strays(folder: Path) -> list[psutil.Process]:
    """
    Every process that works in that folder, has its HOME there, or names it on its command line.

    Spared are this process, its ancestors and whatever has a terminal: somebody looking at the folder is no server.
    """
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    user = account()
    ours = {os.getuid(), user.pw_uid if user else os.getuid()}
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        if process.pid in spared:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.uids().real not in ours or process.terminal() is not None:
                continue
            # A daemon goes to / and keeps the HOME that its server had.
            places = [process.cwd(), *process.cmdline(), process.environ().get("HOME", "")]
            if _lives(process) and any(_inside(place, str(folder)) for place in places):
                found.append(process)
    return found


def command_lines(recorded: Iterable[Recorded], folder: Path) -> dict[str, str]:
    """The command line of every recorded process, of its children, and of whatever else lives in `folder`."""
    mains = [(record.service, process) for record in recorded if (process := find(record)) is not None]
    everyone = [(name, child) for name, main in mains for child in (main, *_descendants(main))]
    everyone += [("the stack", stray) for stray in strays(folder)]
    lines: dict[str, str] = {}
    for name, process in everyone:
        with contextlib.suppress(psutil.Error):
            lines.setdefault(str(process.pid), f"{name}\0" + "\0".join(process.cmdline()))
    return {f"the command line of process {pid}": line for pid, line in lines.items()}


def end(recorded: Iterable[Recorded], folder: Path | None = None) -> int:
    """
    Ask every recorded process to end, wait, and kill what is left of it and of its children.

    Whatever else lives in `folder` is ended too. Returns how many processes were ended.
    """
    graces: dict[psutil.Process, float] = {}
    asked: list[tuple[psutil.Process, int]] = []
    for record in recorded:
        process = find(record)
        if process is not None:
            asked.append((process, record.stop_signal))
            graces |= dict.fromkeys([process, *_descendants(process)], record.grace_s)
    for process in strays(folder) if folder else ():
        if process not in graces:
            asked.append((process, signal.SIGTERM))
            graces[process] = GRACE_S
    for process, stop_signal in asked:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(stop_signal)
    began = time.monotonic()
    for grace_s in sorted(set(graces.values())):
        _kill([process for process in graces if graces[process] == grace_s], began + grace_s)
    if folder:
        # A server that was forked while we looked: the second look finds it.
        _kill(strays(folder), began)
    return len(graces)


def _kill(processes: list[psutil.Process], deadline: float) -> None:
    """Wait for them until the deadline (monotonic clock); kill those that are still there, and wait for that."""
    left = _still_there(processes, deadline)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _still_there(left, time.monotonic() + GRACE_S)


def _still_there(processes: list[psutil.Process], deadline: float) -> list[psutil.Process]:
    while (left := [process for process in processes if _lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _lives(process: psutil.Process) -> bool:
    child = _children.get(process.pid)
    if child is not None:
        # Only to have waited for it is sure: of many threads the first may be gone, and look dead, before the others.
        if child.poll() is None:
            return True
        _children.pop(process.pid, None)
        return False
    try:
        return process.is_running() and process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _inside(place: str, folder: str) -> bool:
    """Whether the folder or something in it is named, and not another one whose name merely begins alike."""
    begin = place.find(folder)
    return begin >= 0 and place[begin + len(folder) :][:1] in {"", "/", " ", "'", '"', ":", ","}
