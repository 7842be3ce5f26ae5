"""Which routes of a reference API are measured, what is sent to each, and what must it answer?"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.http.protocol import Answer
from devperf_pipeline.services.http.route import HttpRoute, pointing
from devperf_pipeline.services.operation import OUR_NAME

Expectation = Callable[[dict[str, Any]], bool]

VALUE = "measured by devperf"
SEED_TTL_S = 3_600
"""Keys that a round consumes go away by themselves, should we be killed before we remove them."""

DOOMED = 5_000
"""How many keys a round of DELETE may consume; each is laid in by a request of its own."""


@dataclass(frozen=True, slots=True)
class Names:
    """What is ours behind one API: cache keys and a queue."""

    service: str

    @property
    def key(self) -> str:
        return f"{OUR_NAME}:{self.service}:key"

    @property
    def note(self) -> str:
        """The key that says how many keys were laid in to be deleted."""
        return f"{OUR_NAME}:{self.service}:laid-in"

    @property
    def queue(self) -> str:
        return f"{OUR_NAME}.{self.service}"

    def doomed(self, number: int) -> str:
        """The key that the call of that number deletes."""
        return f"{OUR_NAME}:{self.service}:doomed:{number:05d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(HttpRoute):
    """
    One published row, under its published title.

    `right` judges the decoded body; `says` are bytes that must be in every right answer, looked at on every call.
    `health` routes answer 200 when a dependency is not well; such an answer is not a measurement.
    `doomed` routes consume one of our keys with each call, so `target` is only the first.
    `sustained` routes are load tested, too.
    A `secret` route's answer holds somebody's secret: no message repeats it.
    """

    right: Expectation
    body: dict[str, Any] | None = None
    says: bytes = b""
    health: bool = False
    doomed: bool = False
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
        if self.health and (b'"degraded"' in body or b'"unhealthy"' in body):
            return Outcome.DEGRADED
        return Outcome.OK if self.says in body else Outcome.WRONG

    def verify(self, answer: Answer) -> str | None:
        """What is wrong with a whole answer, or None."""
        try:
            decoded = json.loads(answer.body)
        except (ValueError, RecursionError):
            decoded = None
        if not 200 <= answer.status < 300:
            return f"expected status 200, found {answer.status}{pointing(answer)}{_reason(decoded)}"
        if not isinstance(decoded, dict):
            return f"expected a JSON object, found {self._shown(answer, 60)}"
        if wrong := self.wrong_source(answer):
            return wrong
        if self.health and self.check_body(answer.body) is Outcome.DEGRADED:
            return f"expected every configured dependency to be well, found otherwise{_reason(decoded)}"
        if not self.right(decoded):
            return f"expected what was asked for, found {self._shown(answer, 120)}"
        return None

    def _shown(self, answer: Answer, limit: int) -> str:
        return f"{len(answer.body)} bytes of something else" if self.secret else repr(answer.body[:limit])


def _reason(decoded: Any) -> str:
    """What an answer gives as its reason."""
    if not isinstance(decoded, dict):
        return ""
    dependencies = asked_of(decoded)
    if isinstance(dependencies, dict):
        found = (it for it in dependencies.values() if isinstance(it, dict))
        unwell = [str(it.get("error"))[:200] for it in found if it.get("status") == "unhealthy"]
        return f": {', '.join(unwell)}" if unwell else ""
    said = decoded.get("error", decoded.get("detail"))
    return f": {str(said)[:200]}" if said else ""


def asked_of(decoded: Any) -> Any:
    """Which dependencies a health answer speaks of, by name. Not all reference APIs call them the same."""
    found = decoded if isinstance(decoded, dict) else {}
    return found.get("dependencies", found.get("services"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """
    How one reference API is asked.

    `facts` is what it says of itself; `store(key, ttl, value)` gives target and body of the request that stores a value;
    `drop` is what removes our queue, None where nothing does; `refused` says by title what is not measured and why.
    """

    facts: Mapping[str, str]
    names: Names
    routes: Sequence[Route]
    store: Callable[[str, int | None, str], tuple[str, bytes | None]]
    drop: str | None
    refused: Mapping[str, str] = field(default_factory=dict[str, str])


def said_by(answer: Answer) -> dict[str, Any]:
    """
    What an API says of itself at `/`, decoded.

    Raises:
        WrongAnswer: it says nothing, or not as a JSON object.

    """
    if answer.status != 200:
        raise WrongAnswer(f"GET / answered {answer.status}, expected 200")
    try:
        decoded = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise WrongAnswer(
            f"GET / answered {answer.status} {answer.body[:60]!r}, which is not JSON"
        ) from error
    if not isinstance(decoded, dict):
        raise WrongAnswer(f"GET / answered {answer.body[:60]!r}, which is no JSON object")
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
        store=lambda key, ttl, value: (
            f"/examples/cache/{key}",
            json.dumps({"value": value, "ttl": ttl}).encode(),
        ),
        drop=f"/examples/messaging/queue/{names.queue}",
    )


def routes(names: Names) -> Sequence[Route]:
    """The published rows, in their order."""
    cache = f"/examples/cache/{names.key}"
    return (
        Route(
            name="get-root",
            title="GET /",
            method="GET",
            target="/",
            right=lambda body: "framework" in body,
        ),
        Route(
            name="get-health",
            title="GET /health",
            method="GET",
            target="/health",
            right=lambda body: body.get("status") == "healthy",
        ),
        Route(
            name="get-health-all",
            title="GET /health/all",
            method="GET",
            target="/health/all",
            right=lambda body: body.get("status") == "healthy" and isinstance(body.get("dependencies"), dict),
            health=True,
            sustained=True,
        ),
        *(
            Route(
                name=f"get-health-{dependency}",
                title=f"GET /health/{dependency}",
                method="GET",
                target=f"/health/{dependency}",
                right=lambda body: body.get("status") == "healthy",
                health=True,
            )
            for dependency in ("vault", "postgres")
        ),
        Route(
            name="get-examples-vault-secret-postgres",
            title="GET /examples/vault/secret/postgres",
            method="GET",
            target="/examples/vault/secret/postgres",
            right=lambda body: body.get("service") == "postgres" and bool(body.get("data")),
            secret=True,
        ),
        Route(
            name="get-examples-database-postgres-query",
            title="GET /examples/database/postgres/query",
            method="GET",
            target="/examples/database/postgres/query",
            right=lambda body: body.get("database") == "postgres" and isinstance(body.get("result"), dict),
        ),
        Route(
            name="get-examples-cache-key",
            title="GET /examples/cache/key",
            method="GET",
            target=cache,
            right=lambda body: body == {"key": names.key, "value": VALUE},
            says=VALUE.encode(),
        ),
        Route(
            name="post-examples-cache-key",
            title="POST /examples/cache/key",
            method="POST",
            target=cache,
            body={"value": VALUE, "ttl": None},
            right=lambda body: body == {"key": names.key, "stored": True, "ttl": None},
        ),
        Route(
            name="delete-examples-cache-key",
            title="DELETE /examples/cache/key",
            method="DELETE",
            target=f"/examples/cache/{names.doomed(0)}",
            right=lambda body: body.get("deleted") is True,
            says=b"true",
            doomed=True,
        ),
        Route(
            name="post-examples-messaging-publish-queue",
            title="POST /examples/messaging/publish/queue",
            method="POST",
            target=f"/examples/messaging/publish/{names.queue}",
            body={"message": VALUE},
            right=lambda body: body == {"queue": names.queue, "published": True},
        ),
    )
