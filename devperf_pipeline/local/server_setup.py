"""What does a server get from us while it is set up: a folder, a log, ports, a password, and a way to start?"""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pwd import struct_passwd
from signal import SIGKILL, SIGTERM
from subprocess import Popen, TimeoutExpired
from threading import Event

from devperf_pipeline.errors import ServiceMissing, ServiceUnreachable
from devperf_pipeline.local import process
from devperf_pipeline.local.ports import LOOPBACK
from devperf_pipeline.local.process_record import Record
from devperf_pipeline.model import Address, Credentials, Service
from devperf_pipeline.stack.folders import Folders

USERNAME = "devperf"

SET_UP_S = 60.0
"""How long a one-off command (creating a database) may take."""

TIDY_S = 1.0
"""How long it may go on when it is no longer wanted, and once more when it was asked to end."""

TAIL_LINES = 12

NOT_TEXT = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """
    One service while it is being started.

    `programs` are the server's executables by name; `running` are the services that it needs, by name, as far as
    they run; `stopping` is set when the whole start is called off; `say` tells the user of what takes long.
    """

    service: Service
    programs: Mapping[str, Path]
    folder: Path
    log: Path
    folders: Folders
    record: Record
    running: Mapping[str, Service]
    stopping: Event
    say: Callable[[str], None]
    user: struct_passwd | None
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def needed(self, kind: str) -> Service | None:
        """The running service of that kind among those that this one needs."""
        return next((service for service in self.running.values() if service.kind == kind), None)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the folder that only the server's user can read."""
        path = self.folder / name
        path.touch(mode=0o600)
        self.own(path)
        path.write_text(text, encoding="utf-8")
        return path

    def make_folder(self, name: str) -> Path:
        """Create a folder that only the server's user can enter."""
        path = self.folder / name
        path.mkdir(mode=0o700)
        self.own(path)
        return path

    def own(self, path: Path) -> None:
        """Give a path to the server's user."""
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        folder: Path | None = None,
        given: Path | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = SET_UP_S,
        nice: int = 0,
    ) -> None:
        """
        Run a one-off command as the server's user, its output in the log; `nice` lets others go first.

        Raises:
            ServiceMissing: it cannot be run, fails, takes too long, or the whole start was called off.

        """
        name = Path(argv[0]).name
        if nice:
            argv = ["nice", "-n", str(nice), *argv]
        child = self._spawn(argv, folder=folder, given=given, environment=environment)
        deadline = time.monotonic() + seconds
        while child.poll() is None:
            if self.stopping.is_set() or time.monotonic() > deadline:
                _end_group(child)
                raise ServiceMissing(
                    self.told(f"{name} was ended after {seconds:.0f} s, or with the whole start")
                )
            time.sleep(0.01)
        if child.returncode != 0:
            raise ServiceMissing(self.told(f"{name} ended with exit status {child.returncode}"))

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        main: bool = True,
        stop_signal: int = SIGTERM,
        grace_s: float = process.GRACE_S,
        extra: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> process.Recorded:
        """
        Start a server process and record it at once.

        Raises:
            ServiceMissing: the program cannot be executed, or the whole start was called off.

        """
        with self.record.lock:
            # Under the lock: whoever calls the start off sees either no process or a process in the record.
            if self.stopping.is_set():
                raise ServiceMissing(f"{self.service.name} was not started: the start was called off.")
            child = self._spawn(argv, folder=folder, environment=extra and self._environment(extra))
            started = process.Recorded(
                service=self.service.name,
                pid=child.pid,
                born_s=process.born_s(child.pid),
                main=main,
                stop_signal=stop_signal,
                grace_s=grace_s,
            )
            self.record.append(started)
        return started

    def wait(self, ready: Callable[[], bool], started: Sequence[process.Recorded], *, seconds: float) -> None:
        """
        Wait until the server answers. `ready` may raise OSError while it does not.

        Raises:
            ServiceUnreachable: a process ended, the time is over, or the whole start was called off.

        """
        deadline = time.monotonic() + seconds
        while not self.stopping.is_set():
            if any(process.find(one) is None for one in started):
                raise ServiceUnreachable(self.told("its process ended while it was starting"))
            try:
                if ready():
                    return
            except (OSError, EOFError):
                # Not listening yet: what the next look is for.
                pass
            if time.monotonic() > deadline:
                raise ServiceUnreachable(self.told(f"it did not answer within {seconds:.0f} s"))
            time.sleep(0.02)
        raise ServiceUnreachable(f"{self.service.name} was not started: the start was called off.")

    def running_at(self, *ports: int, username: str = USERNAME, database: str | None = None) -> Service:
        """The service as others will find it."""
        return Service(
            name=self.service.name,
            kind=self.service.kind,
            addresses=tuple(Address(LOOPBACK, port) for port in ports),
            credentials=Credentials(username, self.password),
            database=database,
            settings=self.service.settings,
            needs=self.service.needs,
        )

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        return process.small_environment({"HOME": str(self.folder), "TMPDIR": str(self.folder), **extra})

    def _spawn(
        self,
        argv: Sequence[str | Path],
        *,
        folder: Path | None,
        environment: Mapping[str, str] | None,
        given: Path | None = None,
    ) -> Popen[bytes]:
        try:
            with self.log.open("ab") as log:
                return process.spawn(
                    argv,
                    folder=folder or self.folder,
                    log=log,
                    user=self.user,
                    environment=environment or self._environment({}),
                    given=given,
                )
        except OSError as error:
            raise ServiceMissing(self.told(f"{argv[0]} could not be run: {error}")) from error

    def told(self, what: str) -> str:
        """What happened, with the end of the log and without any password."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        # Colours and other orders to a terminal have no place in a message.
        text = NOT_TEXT.sub("", text)
        for known in [
            self.password,
            *(s.credentials.password for s in self.running.values() if s.credentials),
        ]:
            text = text.replace(known, "********")
        text = "\n".join(text.splitlines()[-TAIL_LINES:])
        said = f" The end of {self.log}:\n{text}" if text else f" Its log {self.log} is empty."
        return f"{self.service.name} could not be started: {what}.{said}"


def _end_group(child: Popen[bytes]) -> None:
    """
    End a one-off command and its children: its session is their group.

    Most are done in a moment, and those that are killed leave things behind (initdb a shared memory segment).
    """
    for order in (None, SIGTERM, SIGKILL):
        if order is not None:
            os.killpg(child.pid, order)
        with contextlib.suppress(TimeoutExpired):
            child.wait(TIDY_S)
            return


def setting(value: str | int | bool) -> str:
    """A setting of the stack file as servers write it: booleans are on and off."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
