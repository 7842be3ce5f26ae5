"""
What does Docker say of its containers: which one listens at a port, what it uses?

Over the daemon's local socket, by its HTTP API; nothing is ever asked of it but to read.
"""

import http.client
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.process_tree import Use

DEADLINE_S = 5.0

SCHEME = "unix://"


def find_docker() -> "Docker | None":
    """The daemon that `DOCKER_HOST` names, or one at the places where it usually is; None if there is none."""
    named = os.environ.get("DOCKER_HOST", "")
    places = (
        [Path(named.removeprefix(SCHEME))]
        if named.startswith(SCHEME)
        else [
            Path("/var/run/docker.sock"),
            Path.home() / ".docker/run/docker.sock",
            Path.home() / ".colima/default/docker.sock",
        ]
    )
    return next((Docker(path) for path in places if path.is_socket()), None)


@dataclass(frozen=True, slots=True)
class Docker:
    """
    The daemon that listens at `socket_path`.

    Everything that is asked raises a `MeasurementError` where it is not answered as its API says, or there is no such
    container.
    """

    socket_path: Path

    def at_port(self, port: int) -> str | None:
        """The id of the running container that answers at that port of this machine, if one does."""
        for container in self._ask("/containers/json"):
            if any(one.get("PublicPort") == port for one in container.get("Ports") or ()):
                return str(container["Id"])
        return None

    def first_process(self, container: str) -> tuple[str, int]:
        """The container's whole id, and the id of its first process where the daemon runs; 0 if it does not run."""
        found = self._ask(f"/containers/{quote(container, safe='')}/json")
        return str(found["Id"]), int(found["State"].get("Pid", 0))

    def use(self, container: str) -> Use:
        """What the container uses. Its memory is what `docker stats` shows: cache that could be given up is not in it."""
        name = quote(container, safe="")
        found = self._ask(f"/containers/{name}/stats?stream=false&one-shot=true")
        state = self._ask(f"/containers/{name}/json")["State"]
        try:
            return _use(found, killed=bool(state.get("OOMKilled")))
        except (KeyError, TypeError, AttributeError) as error:
            raise self._unexpected(f"the use of {container}", repr(error)) from error

    def _ask(self, path: str) -> Any:
        connection = http.client.HTTPConnection("localhost", timeout=DEADLINE_S)
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(DEADLINE_S)
            connection.sock.connect(str(self.socket_path))
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise self._unexpected(f"GET {path}", f"status {response.status}: {body[:200]!r}")
            return json.loads(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unexpected(f"GET {path}", repr(error)) from error
        finally:
            connection.close()

    def _unexpected(self, asked: str, found: str) -> MeasurementError:
        return MeasurementError(
            f"Expected Docker at {self.socket_path} to tell {asked}, found {found}. "
            "Is the container running, and may you use the socket?"
        )


def _use(found: dict[str, Any], *, killed: bool) -> Use:
    memory: dict[str, Any] = found["memory_stats"]
    detail: dict[str, int] = memory.get("stats") or {}
    cache = detail.get("inactive_file", detail.get("total_inactive_file", 0))
    disk: list[dict[str, Any]] | None = (found.get("blkio_stats") or {}).get("io_service_bytes_recursive")
    networks: dict[str, dict[str, int]] | None = found.get("networks")

    def moved(word: str) -> int | None:
        return None if disk is None else sum(one["value"] for one in disk if one["op"].lower() == word)

    def passed(word: str) -> int | None:
        return None if networks is None else sum(one[word] for one in networks.values())

    return Use(
        cpu_s=found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        rss_bytes=memory["usage"] - cache,
        threads=(found.get("pids_stats") or {}).get("current"),
        read_bytes=moved("read"),
        written_bytes=moved("write"),
        received_bytes=passed("rx_bytes"),
        sent_bytes=passed("tx_bytes"),
        limit_bytes=memory.get("limit"),
        oom_kills=int(killed),
    )
