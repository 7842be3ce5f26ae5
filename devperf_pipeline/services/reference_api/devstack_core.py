"""
How are the reference APIs of devstack-core asked, whose routes and answers differ from ours and from each other's?

Each is known by what it says at `/`: its name, and the language that all but the two in Python give.
Rows keep the published titles. What cannot be measured there is named with its reason.
"""

import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count, islice
from typing import Any
from urllib.parse import quote

from devperf_pipeline.services.http.protocol import as_object
from devperf_pipeline.services.operation import OUR_NAME
from devperf_pipeline.services.reference_api.workload import (
    DELETED,
    MOST_DELETED,
    SEED_TTL_S,
    VALUE,
    Api,
    Expectation,
    Names,
    Route,
    asked_of,
    published,
)

NAME = "DevStack Core"
PUBLISH = "POST /examples/messaging/publish/queue"
FIRST_NODE = range(5_461)
"""
The slots of the first of three nodes. Behind their cache routes is a plain client of that node alone: a key of
another slot is answered with an error.
"""

BY_QUERY = ("Python", "Go")
"""These take a value to be stored from the query string, the others from a JSON body."""


@dataclass(frozen=True, slots=True)
class FirstNodeNames(Names):
    """Our names, those of keys chosen so that the first node has them."""

    def one(self, family: str) -> str:
        """The key that is the only one of its family."""
        return _on_first_node(f"{OUR_NAME}:{self.service}:{family}", 1)[0]

    def numbered(self, family: str, number: int) -> str:
        """A key of a family of many."""
        return _on_first_node(f"{OUR_NAME}:{self.service}:{family}", MOST_DELETED)[number]


@cache
def _on_first_node(prefix: str, size: int) -> Sequence[str]:
    """The first names of a family that lie on the first node."""
    names = (f"{prefix}:{number:05d}" for number in count())
    # Redis finds a key's slot by this very checksum.
    ours = (name for name in names if binascii.crc_hqx(name.encode(), 0) % 16_384 in FIRST_NODE)
    return list(islice(ours, size))


def is_one(said: Mapping[str, Any]) -> bool:
    """Whether what an API says at `/` is what those of devstack-core say."""
    return str(said.get("name", "")).startswith(NAME)


def api(service: str, said: Mapping[str, Any]) -> Api:
    """How this one is asked."""
    names, language = FirstNodeNames(service), str(said.get("language", "Python"))
    refused = {PUBLISH: "it has no route that removes a queue, so what is published would stay in the broker"}
    if limit := _limit_of_root(said):
        refused["GET /"] = f"it is limited to {limit}, as the API says there: too few calls for a row"

    def store(key: str, ttl: int | None, value: str) -> tuple[str, bytes | None]:
        path, seconds = f"/examples/cache/{key}", ttl or SEED_TTL_S
        if language in BY_QUERY:
            return f"{path}?value={quote(value)}&ttl={seconds}", None
        return path, json.dumps({"value": value, "ttl": seconds}).encode()

    return Api(
        facts={
            "framework": str(
                said.get("framework", {"Python": "FastAPI", "Go": "Gin"}.get(language, language))
            ),
            "name": str(said["name"])[:200],
            "version": str(said.get("version", "unknown"))[:200],
            "runtime": language[:200],
        },
        names=names,
        routes=[
            route
            for route in _routes(names, language, store(names.key, None, VALUE))
            if route.title not in refused
        ],
        store=store,
        drop=None,
        refused=refused,
    )


def _limit_of_root(said: Mapping[str, Any]) -> str | None:
    """The limit of `/` that only the two in Python have without saying so in a header."""
    limits = as_object(as_object(said.get("security")).get("rate_limiting"))
    return str(limits["general_endpoints"])[:40] if "general_endpoints" in limits else None


def _well(body: Mapping[str, Any]) -> bool:
    return body.get("status") in {"healthy", "ok"}


def _stored(names: Names) -> Expectation:
    return lambda body: body.get("key") == names.key and body.get("value") == VALUE


def _routes(names: Names, language: str, store: tuple[str, bytes | None]) -> Sequence[Route]:
    return (
        published("GET /", is_one),
        # Without the slash two of them answer with a redirect, and one with nothing.
        published("GET /health", _well, "/health/"),
        published(
            "GET /health/all",
            lambda body: body.get("status") == "healthy" and asked_of(body) is not None,
            health=True,
        ),
        published("GET /health/vault", _well, health=True),
        published("GET /health/postgres", _well, health=True),
        published(
            "GET /examples/vault/secret/postgres",
            lambda body: any(body.get(name) for name in ("data", "secret", "value")),
            secret=True,
        ),
        published(
            "GET /examples/database/postgres/query",
            lambda body: any(body.get(name) for name in ("result", "query_result", "message")),
        ),
        published(
            "GET /examples/cache/key",
            _stored(names),
            f"/examples/cache/{names.key}",
            says=VALUE.encode(),
        ),
        published(
            "POST /examples/cache/key",
            lambda body: body.get("key") == names.key and not body.get("error"),
            store[0],
            body=None if store[1] is None else json.loads(store[1]),
        ),
        published(
            "DELETE /examples/cache/key",
            lambda body: body.get("deleted") is True or body.get("status") == "deleted",
            f"/examples/cache/{names.numbered(DELETED, 0)}",
            says=b'"status":"deleted"' if language == "Rust" else b"true",
            deletes=True,
        ),
    )
