"""
Which routes of a reference API are measured, what is sent to each, and what must it answer?
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.http_wire import Answer, cached_by, check
from devperf_pipeline.services.operation import OUR_NAME

Method = Literal["GET", "POST", "DELETE"]
Expectation = Callable[[dict[str, Any]], bool]

VALUE = "measured by devperf"
SEED_TTL_S = 3_600
"""Keys that a round consumes go away by themselves, should we be killed before we remove them."""

DOOMED = 5_000
"""How many keys a round of DELETE may consume; each is laid in by a request of its own."""


@dataclass(frozen=True, slots=True)
class Names:
    """
    What is ours behind one API: cache keys and a queue.
    """

    service: str

    @property
    def key(self) -> str:
        return f"{OUR_NAME}:{self.service}:key"

    @property
    def queue(self) -> str:
        return f"{OUR_NAME}.{self.service}"

    def doomed(self, number: int) -> str:
        """
        The key that the call of that number deletes.
        """
        return f"{OUR_NAME}:{self.service}:doomed:{number:05d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """
    One published row: `title` is the published one, `target` what is really asked for.

    `right` judges the decoded body; `says` are bytes that must be in every right answer, looked at on every call.
    `health` routes answer 200 when a dependency is not well; such an answer is not a measurement.
    `doomed` routes consume one of our keys with each call, so `target` is only the first.
    `sustained` routes are load tested, too.
    A `secret` route's answer holds somebody's secret: no message repeats it.
    """

    name: str
    title: str
    method: Method
    target: str
    right: Expectation
    body: dict[str, Any] | None = None
    says: bytes = b""
    health: bool = False
    doomed: bool = False
    secret: bool = False
    sustained: bool = False

    @property
    def encoded_body(self) -> bytes | None:
        """
        The body as it is sent.
        """
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()

    def check(self, received: bytes) -> Outcome:
        """
        How a call ended, by a few bytes of the answer.
        """
        outcome = check(received)
        return self.check_body(received) if outcome is Outcome.OK else outcome

    def check_body(self, body: bytes) -> Outcome:
        """
        How a call ended whose status is right.
        """
        if self.health and (b'"degraded"' in body or b'"unhealthy"' in body):
            return Outcome.DEGRADED
        return Outcome.OK if self.says in body else Outcome.WRONG

    def verify(self, answer: Answer) -> str | None:
        """
        What is wrong with a whole answer, or None.
        """
        try:
            decoded = json.loads(answer.body)
        except ValueError:
            decoded = None
        if not 200 <= answer.status < 300:
            return f"expected status 200, found {answer.status}{_reason(decoded)}"
        if not isinstance(decoded, dict):
            return f"expected a JSON object, found {self._shown(answer, 60)}"
        if cached := cached_by(answer.headers):
            return f"expected the API to answer, found a cache's answer ({cached[:60]})"
        if self.health and self.check_body(answer.body) is Outcome.DEGRADED:
            return f"expected every configured dependency to be well, found otherwise{_reason(decoded)}"
        if not self.right(decoded):
            return f"expected what was asked for, found {self._shown(answer, 120)}"
        return None

    def _shown(self, answer: Answer, limit: int) -> str:
        return f"{len(answer.body)} bytes of something else" if self.secret else repr(answer.body[:limit])


def _reason(decoded: Any) -> str:
    """
    What an answer gives as its reason.
    """
    if not isinstance(decoded, dict):
        return ""
    dependencies = decoded.get("dependencies")
    if isinstance(dependencies, dict):
        found = (it for it in dependencies.values() if isinstance(it, dict))
        unwell = [str(it.get("error"))[:200] for it in found if it.get("status") == "unhealthy"]
        return f": {', '.join(unwell)}" if unwell else ""
    return f": {str(decoded['error'])[:200]}" if "error" in decoded else ""


def about(answer: Answer) -> dict[str, str]:
    """
    What an API says of itself at `/`.

    Raises:
        WrongAnswer: it is none of our reference APIs.

    """
    try:
        decoded = json.loads(answer.body)
    except ValueError as error:
        raise WrongAnswer(
            f"GET / answered {answer.status} {answer.body[:60]!r}, which is not JSON"
        ) from error
    needed = ("framework", "version", "runtime", "server", "aggregation")
    missing = [name for name in needed if not isinstance(decoded, dict) or name not in decoded]
    if missing or answer.status != 200:
        raise WrongAnswer(f"GET / answered {answer.status}, without {', '.join(missing) or 'being well'}")
    return {name: str(decoded[name])[:200] for name in needed}


def routes(names: Names) -> Sequence[Route]:
    """
    The published rows, in their order.
    """
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
