"""
What does a container engine say of its containers: which one listens at a port, what it is, what it uses?

Docker, or podman behind the same HTTP API, over its local socket; nothing is ever asked of it but to read. What one
of them is known to tell wrongly is unknown here.
"""

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.process_tree import Use
from devperf_pipeline.model import Throttling

DEADLINE_S = 5.0

SCHEME = "unix://"

PODMAN, PODMAN_HEADER = "podman", "Libpod-Api-Version"

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines whose socket may be used, and a sentence for each that may not."""

    usable: Sequence["Docker"]
    refused: Sequence[str] = ()

    def at_port(self, port: int) -> "tuple[Docker, Container] | None":
        """The engine with the running container that answers at that port of this machine, if there is one."""
        return self._first(lambda engine: engine.at_port(port))

    def holding(self, name: str) -> "tuple[Docker, Container] | None":
        """The engine with the container of that name or id, if there is one."""
        return self._first(lambda engine: engine.container(name))

    def _first(self, ask: "Callable[[Docker], Container | None]") -> "tuple[Docker, Container] | None":
        for engine in self.usable:
            with suppress(MeasurementError):  # an engine that does not answer hides nothing of another one
                found = ask(engine)
                if found:
                    return engine, found
        return None


def find_engines() -> Engines:
    """The engine that `DOCKER_HOST` or `CONTAINER_HOST` names, or those at the places where they usually are."""
    named = os.environ.get("DOCKER_HOST") or os.environ.get("CONTAINER_HOST") or ""
    if named and not named.startswith(SCHEME):
        return Engines((), (f"the engine at {named} is not asked: only a socket of this machine is",))
    usable: list[Docker] = []
    refused: list[str] = []
    for path in [Path(named.removeprefix(SCHEME))] if named else _places():
        try:
            there = path.is_socket()
        except PermissionError:
            continue  # in a folder that is closed to us: nobody meant it for us
        if there and os.access(path, os.R_OK | os.W_OK):
            usable.append(Docker(path))
        elif there:
            refused.append(f"{path} is there, and this user may not use it (permission denied)")
    return Engines(tuple(usable), tuple(refused))


def _places() -> Iterator[Path]:
    home, runtime = Path.home(), os.environ.get("XDG_RUNTIME_DIR")
    yield Path("/var/run/docker.sock")
    yield home / ".docker/run/docker.sock"
    yield home / ".docker/desktop/docker.sock"
    yield home / ".colima/default/docker.sock"
    yield home / ".orbstack/run/docker.sock"
    yield home / ".rd/docker.sock"
    yield Path("/run/podman/podman.sock")
    if runtime:
        yield Path(runtime) / "docker.sock"
        yield Path(runtime) / "podman/podman.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """
    One container, as its engine describes it now.

    `pid` is its first process where the engine runs, 0 if it does not run. Limits are None where there is none,
    `health` where nothing looks after it. `ports` are those of this machine at which it is published, `address` its own.
    """

    id: str
    name: str
    state: str
    pid: int
    started_s: float
    exit_code: int
    oom_killed: bool
    image: str
    digest: str
    cpu_limit: float | None
    memory_limit_bytes: int | None
    restart_policy: str
    restarts: int
    network: str
    health: str | None
    ports: tuple[int, ...]
    address: str | None

    @property
    def facts(self) -> Mapping[str, str]:
        """What it is made of and may use, in words that can be compared later."""
        memory = self.memory_limit_bytes
        return {
            "image": self.image,
            "digest": self.digest,
            "cpu limit": f"{self.cpu_limit:g} cores" if self.cpu_limit else "none",
            "memory limit": f"{memory / MIB:g} MiB" if memory else "none",
            "restart policy": self.restart_policy,
            "network": self.network,
            "health": self.health or "not checked",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a container, in its engine's word ("pause", "die"), and with which exit code."""

    action: str
    at_s: float
    exit_code: int


@dataclass(frozen=True, slots=True)
class Docker:
    """
    The engine that listens at `socket_path`.

    Everything that is asked raises a `MeasurementError` where it is not answered as its API says, or there is no such
    container.
    """

    socket_path: Path

    def version(self) -> tuple[str, str]:
        """Which engine it is, "docker" or "podman", and its version."""
        # Asked for /version podman asks each of its own programs first, which takes seconds.
        podman = self._answer("/_ping")[1].get(PODMAN_HEADER)
        if podman:
            return PODMAN, podman
        try:
            return "docker", str(self._ask("/version")["Version"])
        except (KeyError, TypeError) as error:
            raise self._unexpected("its version", repr(error)) from error

    def at_port(self, port: int) -> Container | None:
        """The running container that answers at that port of this machine, if one does."""
        for found in self._ask("/containers/json"):
            if any(one.get("PublicPort") == port for one in found.get("Ports") or ()):
                return self.container(str(found["Id"]))
        return None

    def container(self, name: str) -> Container:
        """What a container is, by its name or id."""
        found = self._ask(f"/containers/{quote(name, safe='')}/json")
        try:
            return _container(found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unexpected(f"what {name} is", repr(error)) from error

    def use(self, name: str) -> Use:
        """
        What the container uses. Its memory is what `docker stats` shows: cache that could be given up is not in it,
        and where the engine does not tell how much that is, it is unknown.
        """
        container = self.container(name)
        found, podman = self._stats(name)
        if "current" not in (found.get("pids_stats") or {}):
            # podman without root on control groups of version 1 counts the whole machine.
            raise self._unexpected(f"the use of {name}", "figures that are not of its own control group")
        try:
            return _use(found, container, podman=podman)
        except (KeyError, TypeError, AttributeError) as error:
            raise self._unexpected(f"the use of {name}", repr(error)) from error

    def throttling(self, name: str) -> Throttling | None:
        """What the container's CPU limit did to it since it began, where the engine counts that: podman says 0 always."""
        found, podman = self._stats(name)
        counted: Mapping[str, int] = (found.get("cpu_stats") or {}).get("throttling_data") or {}
        if podman or not counted.get("periods"):
            return None
        return Throttling(
            counted["periods"], counted.get("throttled_periods", 0), counted.get("throttled_time", 0)
        )

    def events(self, container: str, since_s: float) -> list[Event]:
        """What happened to the container of that id since a moment (seconds since 1970), in order."""
        which = quote(json.dumps({"type": ["container"], "container": [container]}), safe="")
        # Docker goes on telling unless an end is given; podman tells nothing where one is, and ends when told not to go on.
        podman = PODMAN_HEADER in self._answer("/_ping")[1]
        ends = "stream=false" if podman else f"until={time.time():.6f}"
        body, _ = self._answer(f"/events?since={int(since_s)}&{ends}&filters={which}")
        try:
            found = [_event(json.loads(line)) for line in body.splitlines() if line.strip()]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unexpected(f"what happened to {container}", repr(error)) from error
        return [event for event in found if event.at_s > since_s]

    def _stats(self, name: str) -> tuple[dict[str, Any], bool]:
        """The statistics of a container, and whether it is podman that says so."""
        path = f"/containers/{quote(name, safe='')}/stats?stream=false&one-shot=true"
        body, headers = self._answer(path)
        return self._read(path, body), PODMAN_HEADER in headers

    def _ask(self, path: str) -> Any:
        return self._read(path, self._answer(path)[0])

    def _read(self, path: str, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError as error:
            raise self._unexpected(f"GET {path}", repr(error)) from error

    def _answer(self, path: str) -> tuple[bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("localhost", timeout=DEADLINE_S)
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(DEADLINE_S)
            connection.sock.connect(str(self.socket_path))
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unexpected(f"GET {path}", repr(error)) from error
        finally:
            connection.close()
        if response.status != 200:
            raise self._unexpected(f"GET {path}", f"status {response.status}: {body[:200]!r}")
        return body, response.headers

    def _unexpected(self, asked: str, found: str) -> MeasurementError:
        return MeasurementError(
            f"Expected the container engine at {self.socket_path} to tell {asked}, found {found}. "
            "Is the container running, and may you use the socket?"
        )


def _event(found: dict[str, Any]) -> Event:
    about: dict[str, str] = (found.get("Actor") or {}).get("Attributes") or {}
    code = about.get("exitCode") or about.get("containerExitCode") or "0"
    return Event(
        action=str(found.get("Action") or found["status"]), at_s=found["timeNano"] / 1e9, exit_code=int(code)
    )


def _container(found: dict[str, Any]) -> Container:
    state, limits, settings = found["State"], found["HostConfig"], found["NetworkSettings"]
    networks: dict[str, Any] = settings.get("Networks") or {}
    quota, period = limits.get("CpuQuota") or 0, limits.get("CpuPeriod") or 100_000
    cores = (limits.get("NanoCpus") or 0) / 1e9 or (quota / period if quota > 0 else 0)
    policy = limits.get("RestartPolicy") or {}
    published: dict[str, Any] = settings.get("Ports") or {}
    return Container(
        id=str(found["Id"]),
        name=str(found["Name"]).removeprefix("/"),
        state=str(state["Status"]),
        pid=int(state.get("Pid") or 0),
        started_s=datetime.fromisoformat(state["StartedAt"]).timestamp(),
        exit_code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        image=str(found["Config"]["Image"]),
        digest=str(found["Image"]),
        cpu_limit=cores or None,
        memory_limit_bytes=limits.get("Memory") or None,
        restart_policy=str(policy.get("Name") or "no"),
        restarts=int(found.get("RestartCount") or 0),
        network=", ".join(sorted(networks)) or str(limits.get("NetworkMode") or "none"),
        health=(state.get("Health") or {}).get("Status") or None,
        ports=tuple(
            sorted(
                {
                    int(one["HostPort"])
                    for bound in published.values()
                    for one in bound or ()
                    if one["HostPort"]
                }
            )
        ),
        address=next((str(one["IPAddress"]) for one in networks.values() if one.get("IPAddress")), None),
    )


def _use(found: dict[str, Any], container: Container, *, podman: bool) -> Use:
    memory: dict[str, Any] = found["memory_stats"]
    detail: dict[str, int] = memory.get("stats") or {}
    cache = detail.get("inactive_file", detail.get("total_inactive_file"))
    disk: list[dict[str, Any]] = (found.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    # podman swaps what came in and what went out (its issue 16618), in versions that are still in use.
    networks: dict[str, dict[str, int]] | None = None if podman else found.get("networks")

    def moved(word: str) -> int | None:
        return sum(one["value"] for one in disk if one["op"].lower() == word) if disk else None

    def passed(word: str) -> int | None:
        return None if networks is None else sum(one[word] for one in networks.values())

    return Use(
        cpu_s=found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        rss_bytes=None if cache is None else memory["usage"] - cache,
        threads=found["pids_stats"]["current"],
        read_bytes=moved("read"),
        written_bytes=moved("write"),
        received_bytes=passed("rx_bytes"),
        sent_bytes=passed("tx_bytes"),
        limit_bytes=container.memory_limit_bytes,
        # That it did not happen is said also where it did: of a process beside the first, or by podman.
        oom_kills=1 if container.oom_killed else None,
    )
