"""A daemon on a Unix socket that answers as Docker's API is documented to."""

import json
import socketserver
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

ID = "4c01db0b339c0123456789abcdef0123456789abcdef0123456789abcdef0123"

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
    "cpu_stats": {"cpu_usage": {"total_usage": 100_215_355_000}, "online_cpus": 4},
}

CONTAINER: dict[str, Any] = {"Id": ID, "State": {"Status": "running", "Pid": 3_999_999, "OOMKilled": False}}


def answers(port: int = 6379) -> dict[str, Any]:
    """One container called dev-redis that publishes a port."""
    listed = {
        "Id": ID,
        "Names": ["/dev-redis"],
        "Ports": [{"IP": "127.0.0.1", "PrivatePort": 6379, "PublicPort": port, "Type": "tcp"}],
    }
    by_name = {"json": CONTAINER, "stats?stream=false&one-shot=true": STATS}
    return {
        "/containers/json": [listed],
        **{f"/containers/{name}/{what}": it for name in (ID, "dev-redis") for what, it in by_name.items()},
    }


class DockerServer(socketserver.ThreadingUnixStreamServer):
    """Serves those answers by their paths, and 404 to all else, until the end of its context."""

    daemon_threads = True

    def __init__(self, path: Path, known: Mapping[str, Any]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = known.get(self.path)
                body = json.dumps({"message": "no such container"} if found is None else found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Length", str(len(body)))
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
