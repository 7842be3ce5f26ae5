"""
How are the reference APIs of devstack-core asked, whose routes and answers differ from ours and from each other's?

Each is known by what it says at `/`: its name, and the language that all but the two in Python give.
Rows keep the published titles. What cannot be measured there is named with its reason.
"""

import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from urllib.parse import quote

from devperf_pipeline.services.http.limits import Limit, limit_in
from devperf_pipeline.services.http.protocol import as_object
from devperf_pipeline.services.operation import OUR_NAME
from devperf_pipeline.services.reference_api.workload import (
    SEED_TTL_S,
    VALUE,
    Api,
    Expectation,
    Names,
    Route,
    asked_of,
    routes,
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
    """Our names, that of the key chosen so that the first node has it."""

    @property
    def key(self) -> str:
        names = (f"{OUR_NAME}:{self.service}:key:{number:05d}" for number in count())
        # Redis finds a key's slot by this very checksum.
        return next(name for name in names if binascii.crc_hqx(name.encode(), 0) % 16_384 in FIRST_NODE)


def is_one(said: Mapping[str, Any]) -> bool:
    """Whether what an API says at `/` is what those of devstack-core say."""
    return str(said.get("name", "")).startswith(NAME)


def api(service: str, said: Mapping[str, Any]) -> Api:
    """How this one is asked."""
    names, language = FirstNodeNames(service), str(said.get("language", "Python"))
    limit = _limit_of_root(said)
    if language in BY_QUERY:
        store = f"{names.path}?value={quote(VALUE)}&ttl={SEED_TTL_S}", None
    else:
        store = names.path, json.dumps({"value": VALUE, "ttl": SEED_TTL_S}).encode()
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
        routes=[*_routes(names, language, store)],
        store=store,
        drop=None,
        family="devstack-core",
        limits={"GET /": limit} if limit else {},
        refused={
            PUBLISH: "it has no route that removes a queue, so what is published would stay in the broker"
        },
    )


def _limit_of_root(said: Mapping[str, Any]) -> Limit | None:
    """The limit of `/` that only the two in Python have without saying so in a header."""
    limits = as_object(as_object(said.get("security")).get("rate_limiting"))
    return limit_in(str(limits.get("general_endpoints", "")))


def _well(body: Mapping[str, Any]) -> bool:
    return body.get("status") in {"healthy", "ok"}


def _routes(names: Names, language: str, store: tuple[str, bytes | None]) -> Iterator[Route]:
    """The published rows, as far as these APIs have them, with what differs from those of the contract."""
    right: Mapping[str, Expectation] = {
        "GET /": is_one,
        "GET /health": _well,
        "GET /health/all": lambda body: body.get("status") == "healthy" and asked_of(body) is not None,
        "GET /health/vault": _well,
        "GET /health/postgres": _well,
        "GET /examples/vault/secret/postgres": _has("data", "secret", "value"),
        "GET /examples/database/postgres/query": _has("result", "query_result", "message"),
        "GET /examples/cache/key": lambda body: (body.get("key"), body.get("value")) == (names.key, VALUE),
        "POST /examples/cache/key": lambda body: body.get("key") == names.key and not body.get("error"),
        "DELETE /examples/cache/key": lambda body: (
            body.get("deleted") is True or body.get("status") == "deleted"
        ),
    }
    target, body = store
    differing: Mapping[str, Mapping[str, Any]] = {
        # Without the slash two of them answer with a redirect, and one with nothing.
        "GET /health": {"target": "/health/"},
        "POST /examples/cache/key": {"target": target, "body": None if body is None else json.loads(body)},
        "DELETE /examples/cache/key": {
            "says": b'"status":"deleted"' if language == "Rust" else b"true",
        },
    }
    for route in routes(names):
        if route.title in right:
            yield replace(route, right=right[route.title], **differing.get(route.title, {}))


def _has(*fields: str) -> Expectation:
    return lambda body: any(body.get(field) for field in fields)
