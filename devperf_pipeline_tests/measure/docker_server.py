"""A daemon on a Unix socket that answers as Docker's API is documented to, or as podman 4.3.1 did."""

import json
import socketserver
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

ID = "4c01db0b339c0123456789abcdef0123456789abcdef0123456789abcdef0123"
STATS_OF = "stats?stream=false&one-shot=true"

STATS: dict[str, Any] = {
    "read": "2026-11-25T03:15:00.000000000Z",
    "pids_stats": {"current": 3, "limit": 1000},
    "networks": {
        "eth0": {"rx_bytes": 5338, "rx_packets": 36, "tx_bytes": 648, "tx_packets": 8},
        "eth5": {"rx_bytes": 4641, "rx_packets": 26, "tx_bytes": 690, "tx_packets": 9},
    },
    "memory_stats": {
        "usage": 6_537_216,
        "limit": 67_108_864,
        "stats": {"anon": 4_000_000, "inactive_file": 537_216},
    },
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "read", "value": 4096},
            {"major": 8, "minor": 0, "op": "write", "value": 8192},
        ]
    },
    "cpu_stats": {
        "cpu_usage": {"total_usage": 100_215_355_000},
        "online_cpus": 4,
        "throttling_data": {"periods": 400, "throttled_periods": 120, "throttled_time": 9_000_000_000},
    },
}

PODMAN_STATS: dict[str, Any] = {
    "read": "2026-12-01T09:44:57.736214189Z",
    "preread": "0001-01-01T00:00:00Z",
    "pids_stats": {"current": 5},
    "blkio_stats": {"io_service_bytes_recursive": [], "io_serviced_recursive": None},
    "num_procs": 0,
    "storage_stats": {},
    "cpu_stats": {
        "cpu_usage": {
            "total_usage": 766_788_594,
            "percpu_usage": [57_006_045, 709_782_549],
            "usage_in_kernelmode": 412_000_000,
            "usage_in_usermode": 354_788_594,
        },
        "system_cpu_usage": 1_085_513_515_112,
        "online_cpus": 2,
        "cpu": 0,
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    },
    "memory_stats": {"usage": 4_550_656, "limit": 134_217_728},
    "networks": {"network": {"rx_bytes": 4_447_532, "rx_packets": 0, "tx_bytes": 6_669_061, "tx_packets": 0}},
}
"""What podman said of a Redis that was throttled in 73 of 80 periods, and had received more than it sent."""

CONTAINER: dict[str, Any] = {
    "Id": ID,
    "Name": "/dev-redis",
    "Image": "sha256:f7ce82f8ef4e672c7ed22b90b4d8878e7ac1045d58e3ebd7d965222d766eb656",
    "RestartCount": 0,
    "State": {
        "Status": "running",
        "Paused": False,
        "OOMKilled": False,
        "Pid": 3_999_999,
        "ExitCode": 0,
        "StartedAt": "2026-12-01T09:44:48.400115341Z",
        "Health": {"Status": "healthy"},
    },
    "Config": {"Image": "redis:7.4.1"},
    "HostConfig": {
        "NetworkMode": "bridge",
        "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        "Memory": 67_108_864,
        "NanoCpus": 250_000_000,
        "CpuPeriod": 0,
        "CpuQuota": 0,
    },
    "NetworkSettings": {
        "Networks": {"dev_default": {"IPAddress": "172.28.0.11"}},
        "Ports": {"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": "6379"}], "16379/tcp": None},
    },
}


def answers(port: int = 6379, *, container: Mapping[str, Any] = CONTAINER) -> dict[str, Any]:
    """One container called dev-redis that publishes a port."""
    listed = {
        "Id": ID,
        "Names": ["/dev-redis"],
        "Ports": [{"IP": "127.0.0.1", "PrivatePort": 6379, "PublicPort": port, "Type": "tcp"}],
    }
    by_name = {"json": container, STATS_OF: STATS}
    return {
        "/_ping": "OK",
        "/version": {"Version": "27.3.1", "Components": [{"Name": "Engine", "Version": "27.3.1"}]},
        "/containers/json": [listed],
        **{f"/containers/{name}/{what}": it for name in (ID, "dev-redis") for what, it in by_name.items()},
    }


def podman_answers() -> dict[str, Any]:
    """The same container as podman tells of it."""
    stats = {f"/containers/{name}/{STATS_OF}": PODMAN_STATS for name in (ID, "dev-redis")}
    return {**answers(), **stats}


class DockerServer(socketserver.ThreadingUnixStreamServer):
    """
    Serves those answers, or what they return, by their paths, with or without what is asked there, and 404 to all
    else, until the end of its context. A string is sent as it is, all else as JSON.
    """

    daemon_threads = True

    def __init__(self, path: Path, known: Mapping[str, Any], *, podman: bool = False) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told = known.get(self.path, known.get(self.path.partition("?")[0]))
                found = told() if callable(told) else told
                text = json.dumps({"message": "no such container"} if found is None else found)
                body = (found if isinstance(found, str) else text).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Length", str(len(body)))
                if podman:
                    self.send_header("Libpod-Api-Version", "4.3.1")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

            def address_string(self) -> str:
                return "unix"

        super().__init__(str(path), Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
