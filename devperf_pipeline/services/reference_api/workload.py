"""Which routes of a reference API are measured, what is sent to each, and what must it answer?"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.http.limits import Limit
from devperf_pipeline.services.http.protocol import Answer, as_object, json_object
from devperf_pipeline.services.http.reasons import reason_in, unwell_in
from devperf_pipeline.services.http.workload import HttpRoute, Method, pointing
from devperf_pipeline.services.operation import OUR_NAME

Expectation = Callable[[dict[str, Any]], bool]

UNWELL = (b'"degraded"', b'"unhealthy"', b'"sealed":true', b'"sealed": true')
"""What stands in a health answer that is no measurement, wherever in it."""

VALUE = "measured by devperf"
SEED_TTL_S = 3_600
"""What we store ends by itself, should we be killed before we remove it."""


@dataclass(frozen=True, slots=True)
class Names:
    """
    What is ours behind one API: a cache key and a queue.

    One key serves all rows: each path that is asked may become a label of the API's own metrics, and stay there.
    """

    service: str

    @property
    def key(self) -> str:
        return f"{OUR_NAME}:{self.service}:key"

    @property
    def path(self) -> str:
        """Where the API has the key."""
        return f"/examples/cache/{self.key}"

    @property
    def queue(self) -> str:
        return f"{OUR_NAME}.{self.service}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(HttpRoute):
    """
    One published row, under its published title.

    `right` judges the decoded body; `says` are bytes that must be in every right answer, looked at on every call.
    `health` routes answer 200 when a dependency is not well; such an answer is not a measurement.
    A route that `deletes` consumes our key with each call: it is stored again before the next.
    `sustained` routes are load tested, too.
    A `secret` route's answer holds somebody's secret: no message repeats it.
    """

    right: Expectation
    body: dict[str, Any] | None = None
    says: bytes = b""
    health: bool = False
    deletes: bool = False
    secret: bool = False
    sustained: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether it may be asked as often as one likes: it changes nothing, and needs nothing of ours."""
        return self.method == "GET" and OUR_NAME not in self.target

    @property
    def encoded_body(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()

    def check_body(self, body: bytes) -> Outcome:
        """How a call ended whose status is right."""
        if self.health and any(word in body for word in UNWELL):
            return Outcome.DEGRADED
        return Outcome.OK if self.says in body else Outcome.WRONG

    def verify(self, answer: Answer) -> str | None:
        """What is wrong with a whole answer, or None."""
        decoded = json_object(answer.body)
        if not 200 <= answer.status < 300:
            return f"expected status 200, found {answer.status}{pointing(answer)}{_reason(decoded or {})}"
        if decoded is None:
            return f"expected a JSON object, found {self._shown(answer, 60)}"
        if wrong := self.wrong_source(answer):
            return wrong
        if self.health and (unwell := unwell_in(decoded)):
            return f"expected every configured dependency to be well, found {unwell}"
        if not self.right(decoded):
            return f"expected what was asked for, found {self._shown(answer, 120)}"
        return None

    def _shown(self, answer: Answer, limit: int) -> str:
        return f"{len(answer.body)} bytes of something else" if self.secret else repr(answer.body[:limit])


def _reason(decoded: dict[str, Any]) -> str:
    """What an answer gives as its reason."""
    unwell = None if (said := reason_in(decoded)) else unwell_in(decoded)
    return f": {unwell}" if unwell else said


def asked_of(decoded: dict[str, Any]) -> dict[str, Any] | None:
    """Which dependencies a health answer speaks of, by name. Not all reference APIs call them the same."""
    found = decoded.get("dependencies", decoded.get("services"))
    return as_object(found) if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """
    How one reference API is asked.

    `facts` is what it says of itself; `store` is target and body of the request that stores our key;
    `drop` is what removes our queue, None where nothing does; `refused` says by title what is not measured and why.
    For `family` see `model.RouteAnswer`. `limits` are those that no header tells, by the title of their row.
    """

    facts: Mapping[str, str]
    names: Names
    routes: Sequence[Route]
    store: tuple[str, bytes | None]
    drop: str | None
    family: str = ""
    limits: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    refused: Mapping[str, str] = field(default_factory=dict[str, str])


def said_by(answer: Answer) -> dict[str, Any]:
    """What an API says of itself at `/`, decoded; raises a `WrongAnswer` where that is no JSON object."""
    if answer.status != 200:
        raise WrongAnswer(f"GET / answered {answer.status}, expected 200")
    decoded = json_object(answer.body)
    if decoded is None:
        raise WrongAnswer(f"GET / answered {answer.status} {answer.body[:60]!r}, which is no JSON object")
    return decoded


def api(service: str, said: Mapping[str, Any]) -> Api:
    """An API that follows `reference_apis/openapi.yaml`, or is measured as far as it does."""
    names = Names(service)
    return Api(
        facts={
            name: str(said[name])[:200]
            for name in ("framework", "name", "version", "runtime", "server", "aggregation")
            if name in said
        },
        names=names,
        routes=routes(names),
        store=(names.path, json.dumps({"value": VALUE, "ttl": SEED_TTL_S}).encode()),
        drop=f"/examples/messaging/queue/{names.queue}",
    )


def published(title: str, right: Expectation, target: str = "", **more: Any) -> Route:
    """A published row: its title, "GET /health", says its name, its method and, where none is given, its target."""
    method, _, path = title.partition(" ")
    name = "-".join([method.lower(), path.strip("/").replace("/", "-") or "root"])
    return Route(
        name=name, title=title, method=cast("Method", method), target=target or path, right=right, **more
    )


def routes(names: Names) -> Sequence[Route]:
    """The published rows, in their order."""

    def healthy(body: dict[str, Any]) -> bool:
        return body.get("status") == "healthy"

    return (
        published("GET /", lambda body: "framework" in body),
        published("GET /health", healthy),
        published(
            "GET /health/all",
            lambda body: healthy(body) and isinstance(body.get("dependencies"), dict),
            health=True,
            sustained=True,
        ),
        published("GET /health/vault", healthy, health=True),
        published("GET /health/postgres", healthy, health=True),
        published(
            "GET /examples/vault/secret/postgres",
            lambda body: body.get("service") == "postgres" and bool(body.get("data")),
            secret=True,
        ),
        published(
            "GET /examples/database/postgres/query",
            lambda body: body.get("database") == "postgres" and isinstance(body.get("result"), dict),
        ),
        published(
            "GET /examples/cache/key",
            lambda body: body == {"key": names.key, "value": VALUE},
            names.path,
            says=VALUE.encode(),
        ),
        published(
            "POST /examples/cache/key",
            lambda body: body == {"key": names.key, "stored": True, "ttl": None},
            names.path,
            body={"value": VALUE, "ttl": None},
        ),
        published(
            "DELETE /examples/cache/key",
            lambda body: body.get("deleted") is True,
            names.path,
            says=b"true",
            deletes=True,
        ),
        published(
            "POST /examples/messaging/publish/queue",
            lambda body: body == {"queue": names.queue, "published": True},
            f"/examples/messaging/publish/{names.queue}",
            body={"message": VALUE},
        ),
    )
