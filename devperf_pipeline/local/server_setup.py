"""What does a server get from us while it is set up: a folder, a log, ports, a password, and a way to start?"""

import contextlib
import http.client
import json
import os
import random
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from pwd import struct_passwd
from signal import SIGKILL, SIGTERM
from subprocess import Popen, TimeoutExpired
from threading import Event, Lock
from typing import Any

from devperf_pipeline.errors import ServiceMissing, ServiceUnreachable
from devperf_pipeline.local import process
from devperf_pipeline.local.process_record import Record
from devperf_pipeline.model import Address, Credentials, Service
from devperf_pipeline.stack.folders import Folders

USERNAME = "devperf"

SET_UP_S = 60.0
"""How long a one-off command (creating a database) may take."""

TIDY_S = 1.0
"""How long it may go on when it is no longer wanted, and once more when it was asked to end."""

LOOPBACK = "127.0.0.1"

PORTS = range(10_000, 21_000)
"""Below the ports that systems give to outgoing connections (32768 and up), also with a cluster's 10,000 on top."""

READY_S = 90.0
"""How long a server that runs may take until it answers: they take one to ten seconds, and many times that on busy cores."""

ANSWER_S = 15.0
"""How long one answer over HTTP may take: initialising Vault's raft storage took six seconds once."""

_given: set[int] = set()
_giving = Lock()


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
        given: Path | None = None,
    ) -> None:
        """
        Run a one-off command as the server's user, its output in the log.

        Raises:
            ServiceMissing: it cannot be run, fails, takes too long, or the whole start was called off.

        """
        name = Path(argv[0]).name
        child = self._spawn(argv, given=given)
        deadline = time.monotonic() + SET_UP_S
        while child.poll() is None:
            if self.stopping.is_set() or time.monotonic() > deadline:
                _end_group(child)
                raise ServiceMissing(
                    self.told(f"{name} was ended after {SET_UP_S:.0f} s, or with the whole start")
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

    def wait(
        self, ready: Callable[[], bool], started: Sequence[process.Recorded], *, seconds: float = READY_S
    ) -> None:
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

    def running_at(
        self, *ports: int, credentials: Credentials | None = None, database: str | None = None
    ) -> Service:
        """The service as others will find it, by default with the user and the password that were made for it."""
        return replace(
            self.service,
            addresses=tuple(Address(LOOPBACK, port) for port in ports),
            credentials=credentials or Credentials(USERNAME, self.password),
            database=database,
        )

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        return process.small_environment({"HOME": str(self.folder), "TMPDIR": str(self.folder), **extra})

    def _spawn(
        self,
        argv: Sequence[str | Path],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
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
        for known in [
            self.password,
            *(s.credentials.password for s in self.running.values() if s.credentials),
        ]:
            text = text.replace(known, "********")
        text = process.tail(text)
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


def free_port(*, above: int = 0) -> int:
    """
    A loopback port that nobody listens on and no process of ours has given away; `above` it another one too.

    Raises:
        ServiceMissing: every port that was tried is taken.

    """
    with _giving:
        for _ in range(200):
            port = random.choice(PORTS)  # noqa: S311 - a port is no secret
            wanted = [port, port + above] if above else [port]
            if _given.isdisjoint(wanted) and all(map(_is_free, wanted)) and all(map(_reserve, wanted)):
                _given.update(wanted)
                return port
    raise ServiceMissing(
        f"Expected a free loopback port between {PORTS.start} and {PORTS.stop}; 200 that were tried are taken. "
        "End some of the programs that listen there."
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind((LOOPBACK, port))
        return True
    return False


def _reserve(port: int) -> bool:
    """Whether no other process of ours gave the port away. Until this one ends, none will: its server may not listen yet."""
    if sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0devperf-port-{port}")
    except OSError:
        name.close()
        return False
    name.detach()  # the kernel frees it when this process ends
    return True


def ask_http(
    port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """
    Status and decoded JSON of an answer on loopback.

    Raises:
        OSError: nobody answers there, or nobody who speaks HTTP and JSON.

    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_S)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), dict(headers or {}))
        answer = connection.getresponse()
        found = answer.read()
        return answer.status, json.loads(found) if found else {}
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"no answer in HTTP and JSON: {error}") from error
    finally:
        connection.close()
