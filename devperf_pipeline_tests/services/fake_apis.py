"""
Which APIs of others may be measured: some limit, cache, redirect, or answer in their own way?

Each is a small server on loopback that answers as such APIs were seen to answer.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from devperf_pipeline.model import Address
from devperf_pipeline.services.reference_api.devstack_core import FIRST_NODE

Reply = tuple[int, Mapping[str, str], Any]
"""Status, headers, and a body: bytes as they are, all else as JSON."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: the query and the JSON body decoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    target: str


Api = Callable[[Request], Reply]


@contextmanager
def serving(api: Api) -> Iterator[Address]:
    """The API on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        # Head and body in one packet: otherwise the other side waits for the second.
        wbufsize = -1

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the base class's
            pass

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, content = api(Request(self.command, url.path, query, headers, body, self.path))
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(sent))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the base class asks for these names

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # Its connections are kept by whoever asks.
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Address("127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join()


def foreign_api(request: Request) -> Reply:
    """An API of somebody else that follows the contract where it goes, and tells the time."""
    match request.path:
        case "/":
            return 200, {}, {"framework": "Foreign", "version": "1"}
        case "/health":
            return 200, {}, {"status": "healthy", "timestamp": datetime.now(UTC).isoformat()}
        case "/health/vault" | "/health/postgres":
            return 200, {}, {"status": "healthy"}
        case _:
            return 404, {}, {"error": "not here"}


def limiting(api: Api, allowed: int, refusal: Reply, headers: Mapping[str, str] | None = None) -> Api:
    """An API that refuses all but the first calls of a minute."""
    made = [0]

    def limited(request: Request) -> Reply:
        made[0] += 1
        if made[0] > allowed:
            return refusal
        status, own, body = api(request)
        return status, {**own, **(headers or {})}, body

    return limited


@dataclass(slots=True)
class LimitingEach:
    """An API that lets so many calls through in each window of time, says so in headers, and counts what it refuses."""

    api: Api
    allowed: int
    seconds: int
    refused: int = 0
    _began: float = 0.0
    _made: int = 0

    def __call__(self, request: Request) -> Reply:
        now = time.monotonic()
        if now - self._began > self.seconds:
            self._began, self._made = now, 0
        self._made += 1
        if self._made > self.allowed:
            self.refused += 1
            return 429, {"Retry-After": str(self.seconds)}, {"error": "Too Many Requests"}
        status, own, body = self.api(request)
        left = self.allowed - self._made
        told = {"RateLimit-Policy": f"{self.allowed};w={self.seconds}", "RateLimit-Remaining": str(left)}
        return status, {**own, **told}, body


def caching(
    api: Api,
    *,
    key: Callable[[Request], str | None],
    tells: bool = False,
    passable: bool = False,
    ttl_s: float = 30,
) -> Api:
    """
    An API before which a cache stands: it keeps an answer under its request's key, None for one that is
    never kept. It may tell, and may let requests pass that ask for it.
    """
    kept: dict[str, tuple[float, Reply]] = {}

    def cached(request: Request) -> Reply:
        name = key(request)
        at, (status, headers, body) = kept.get(name or "", (0.0, (0, {}, None)))
        passing = passable and "no-cache" in request.headers.get("cache-control", "")
        hit = status and time.monotonic() - at < ttl_s and not passing
        if not hit:
            status, headers, body = api(request)
            if name is not None and request.method == "GET" and status == 200:
                kept[name] = time.monotonic(), (status, headers, body)
        told = {
            "X-FastAPI-Cache": "HIT" if hit else "MISS",
            "Cache-Control": f"max-age={ttl_s}",
            "ETag": "W/1",
        }
        return status, {**headers, **(told if tells else {})}, body

    return cached


@dataclass(slots=True)
class DevstackCore:
    """A reference API of devstack-core in one language, with what lies behind it."""

    language: str
    keys: dict[str, str] = field(default_factory=dict[str, str])

    def __call__(self, request: Request) -> Reply:
        if request.path.startswith("/examples/cache/"):
            return self._cache(request, request.path.rpartition("/")[2])
        asked = ("vault",) if self.language == "Go" else ("postgres", "rabbitmq", "vault")
        services = {name: {"status": "healthy"} for name in asked}
        well = {"status": "healthy", "version": "x"}
        answers: dict[str, Reply] = {
            "/": (200, {}, self._root()),
            "/health": (307, {"Location": "/health/"}, None),
            "/health/": (200, {}, {"status": "ok"}),
            "/health/all": (200, {}, {"status": "healthy", "services": services}),
            "/health/vault": (200, {}, well),
            "/health/postgres": (200, {}, well),
            "/examples/vault/secret/postgres": (
                200,
                {},
                {"service": "postgres", "data": {"password": "****"}},
            ),
            "/examples/database/postgres/query": (200, {}, {"query": "select", "result": str(uuid.uuid4())}),
        }
        return answers.get(request.path, (404, {}, {"detail": "Not Found"}))

    def _root(self) -> dict[str, Any]:
        said: dict[str, Any] = {"name": "DevStack Core Reference API", "version": "1.1.0"}
        if self.language == "Python":
            return said | {"security": {"rate_limiting": {"general_endpoints": "100/minute"}}}
        return said | {"language": self.language}

    def _cache(self, request: Request, key: str) -> Reply:
        if slot_of(key) not in FIRST_NODE:
            return 500, {}, {"detail": f"Cache get failed: MOVED {slot_of(key)} 172.20.2.17:6379"}
        if request.method == "POST":
            given = request.query if self.language in {"Python", "Go"} else request.body or {}
            if "value" not in given:
                return 422, {}, {"detail": "value is missing"}
            self.keys[key] = given["value"]
            return 200, {}, {"key": key, "value": given["value"], "ttl": int(given["ttl"]), "action": "set"}
        if request.method == "DELETE":
            return 200, {}, {"key": key, "deleted": self.keys.pop(key, None) is not None}
        return 200, {}, {"key": key, "value": self.keys.get(key), "exists": key in self.keys, "ttl": 3600}


def slot_of(key: str) -> int:
    """A key's slot, as the cluster's specification computes it: bit by bit."""
    crc = 0
    for byte in key.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc % 16_384
