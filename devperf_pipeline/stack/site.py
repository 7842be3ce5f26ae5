"""
What does a server get from us while it is set up: a folder, a log, ports, a password, and a way to start?
"""

import random
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import chown
from pathlib import Path
from pwd import struct_passwd
from signal import SIGTERM
from threading import Event, Lock

from devperf_pipeline.errors import ServiceMissing, ServiceUnreachable
from devperf_pipeline.model import Address, Credentials, Service
from devperf_pipeline.stack import process
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.record import Record

LOOPBACK = "127.0.0.1"
USERNAME = "devperf"

PORTS = range(10_000, 21_000)
"""Below the ports that systems give to outgoing connections (32768 and up), also with a cluster's 10,000 on top."""

CLUSTER_BUS = 10_000

SET_UP_S = 60.0
"""How long a one-off command (creating a database) may take."""

TAIL_LINES = 12

_given: set[int] = set()
_giving = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """
    One service while it is being started.

    `programs` are the server's executables by name; `running` are the services that it needs, by name, as far as
    they run; `stopping` is set when the whole start is called off.
    """

    service: Service
    programs: Mapping[str, Path]
    folder: Path
    log: Path
    folders: Folders
    record: Record
    running: Mapping[str, Service]
    stopping: Event
    user: struct_passwd | None
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def needed(self, kind: str) -> Service | None:
        """
        The running service of that kind among those that this one needs.
        """
        return next((service for service in self.running.values() if service.kind == kind), None)

    def write(self, name: str, text: str) -> Path:
        """
        Write a file into the folder that only the server's user can read.
        """
        path = self.folder / name
        path.touch(mode=0o600)
        self.own(path)
        path.write_text(text, encoding="utf-8")
        return path

    def make_folder(self, name: str) -> Path:
        """
        Create a folder that only the server's user can enter.
        """
        path = self.folder / name
        path.mkdir(mode=0o700)
        self.own(path)
        return path

    def own(self, path: Path) -> None:
        """
        Give a path to the server's user.
        """
        if self.user:
            chown(path, self.user.pw_uid, self.user.pw_gid)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        given: str = "",
        extra: Mapping[str, str] | None = None,
        seconds: float = SET_UP_S,
    ) -> None:
        """
        Run a one-off command as the server's user, its output in the log.

        Raises:
            ServiceMissing: it cannot be run, or fails; the end of its output is in the message.

        """
        try:
            with self.log.open("ab") as log:
                finished = subprocess.run(
                    [str(part) for part in argv],
                    check=False,
                    cwd=self.folder,
                    env=process.environment({"HOME": str(self.folder), **(extra or {})}),
                    input=given.encode(),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    umask=0o077,
                    user=self.user.pw_uid if self.user else None,
                    group=self.user.pw_gid if self.user else None,
                    extra_groups=[] if self.user else None,
                    timeout=seconds,
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceMissing(self.told(f"{Path(argv[0]).name} could not be run: {error}")) from error
        if finished.returncode != 0:
            raise ServiceMissing(
                self.told(f"{Path(argv[0]).name} ended with exit status {finished.returncode}")
            )

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        main: bool = True,
        stop_signal: int = SIGTERM,
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
            try:
                with self.log.open("ab") as log:
                    child = process.spawn(
                        argv,
                        folder=folder or self.folder,
                        log=log,
                        user=self.user,
                        extra={"HOME": str(self.folder), **(extra or {})},
                    )
            except OSError as error:
                raise ServiceMissing(self.told(f"{argv[0]} could not be started: {error}")) from error
            started = process.Recorded(
                service=self.service.name,
                pid=child.pid,
                born_s=process.born_s(child.pid),
                main=main,
                stop_signal=stop_signal,
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
        """
        The service as others will find it.
        """
        return Service(
            name=self.service.name,
            kind=self.service.kind,
            addresses=tuple(Address(LOOPBACK, port) for port in ports),
            credentials=Credentials(username, self.password),
            database=database,
            settings=self.service.settings,
            needs=self.service.needs,
        )

    def told(self, what: str) -> str:
        """
        What happened, with the end of the log and without any password.
        """
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        text = "\n".join(lines)
        for known in [
            self.password,
            *(s.credentials.password for s in self.running.values() if s.credentials),
        ]:
            text = text.replace(known, "********")
        said = f" The end of {self.log}:\n{text}" if text else f" Its log {self.log} is empty."
        return f"{self.service.name} could not be started: {what}.{said}"


def free_port(*, above: int = 0) -> int:
    """
    A loopback port that nobody listens on and that this process has not given away; `above` it another one too.

    Raises:
        ServiceMissing: every port that was tried is taken.

    """
    with _giving:
        for _ in range(200):
            port = random.choice(PORTS)  # noqa: S311 - a port is no secret
            wanted = [port, port + above] if above else [port]
            if _given.isdisjoint(wanted) and all(map(_is_free, wanted)):
                _given.update(wanted)
                return port
    raise ServiceMissing(
        f"Expected a free loopback port between {PORTS.start} and {PORTS.stop}; 200 that were tried are taken. "
        "End some of the programs that listen there."
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def setting(value: str | int | bool) -> str:
    """
    A setting of the stack file as servers write it: booleans are on and off.
    """
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
