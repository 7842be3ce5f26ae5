"""
What is a right answer of a route of which nothing is known, and what is the operation called that asks for it?

The first answer teaches it: later ones must not say less, or tell of a failure.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.protocol import END, Answer, json_object, says_hit
from devperf_pipeline.services.http.reasons import SHOWN, UNWELL, plain, reason_in, sealed_in
from devperf_pipeline.services.http.workload import HttpRoute, pointing

FAILURES: Mapping[bytes, re.Pattern[bytes] | None] = {
    b'"degraded"': None,
    b'"unhealthy"': None,
    b'"error"': re.compile(rb'"error"\s*:'),
    b'"errors"': re.compile(rb'"errors"\s*:'),
    b'"sealed"': re.compile(rb'"sealed"\s*:\s*true'),
}
"""Words of failure as they stand in JSON; where a pattern is given, only what it finds is one (a key, not a value)."""

LONGEST_NAME = 60
OWN_ENDINGS = ("-cached", "-new-connections")
"""What the names of other rows of a route end in."""


def name_of(target: str) -> str:
    """
    What the operation that asks for a path is called: "/orders/7" is "route-orders-7".

    The name depends on the path alone. Where it could be that of another path, too, a digest makes it its own.
    No name is one of the contract's, so no rule about these is applied to what only looks alike.
    """
    if target == "/":
        return "route-root"
    words = "-".join(re.findall(r"[a-z0-9]+", target.lower()))
    only = target == f"/{words.replace('-', '/')}" and not f"/{words}".endswith(("/root", *OWN_ENDINGS))
    if only and len(words) <= LONGEST_NAME:
        return f"route-{words}"
    digest = hashlib.sha256(target.encode()).hexdigest()[:8]
    return "-".join(filter(None, ("route", words[:LONGEST_NAME].strip("-"), digest)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntRoute(HttpRoute):
    """One path, and what its first answer taught: whether it had a body, and which words stood in it."""

    had_body: bool = False
    forbidden: tuple[bytes, ...] = tuple(FAILURES)

    def learn(self, answer: Answer) -> "LearntRoute":
        """The same, knowing its first good answer."""
        allowed = set(_failures(answer.body, 0, tuple(FAILURES)))
        return replace(
            self,
            had_body=bool(answer.body),
            forbidden=tuple(word for word in FAILURES if word not in allowed),
        )

    def check(self, received: bytes) -> Outcome:
        """How a call ended, by status and words."""
        outcome = protocol.check(received)
        if outcome is not Outcome.OK:
            return outcome
        if self.cache and not self.from_cache(says_hit(received)):
            return Outcome.WRONG
        return self._said(received, received.find(END) + len(END))

    def check_body(self, body: bytes) -> Outcome:
        """How a call ended whose status is right."""
        return self._said(body, 0)

    def _said(self, received: bytes, begin: int) -> Outcome:
        if self.had_body and len(received) <= begin:
            return Outcome.WRONG
        return Outcome.DEGRADED if _failures(received, begin, self.forbidden) else Outcome.OK

    def verify(self, answer: Answer) -> str | None:
        """What is wrong with a whole answer, or None."""
        success = 200 <= answer.status < 300
        return (self.wrong_source(answer) if success else None) or self.wrong(answer)

    def wrong(self, answer: Answer) -> str | None:
        """What is wrong with a whole answer, whoever gave it. One that is no JSON is right whatever it says."""
        found = json_object(answer.body) or {}
        if not 200 <= answer.status < 300:
            return f"expected status 200, found {answer.status}{pointing(answer)}{reason_in(found)}"
        if self.had_body and not answer.body:
            return "expected a body, as in the first answer, found none"
        if wrong := _failure(found):
            return f"expected success, found {wrong}"
        if words := _failures(answer.body, 0, self.forbidden):
            return f"expected an answer like the first, found {words[0].decode()} in {answer.body[:SHOWN]!r}"
        return None


def _failures(received: bytes, begin: int, words: Sequence[bytes]) -> list[bytes]:
    """Which of these words of failure stand there."""
    found: list[bytes] = []
    for word in words:
        at = received.find(word, begin)
        if at >= 0 and ((pattern := FAILURES[word]) is None or pattern.search(received, at)):
            found.append(word)
    return found


def _failure(found: Mapping[str, Any]) -> str | None:
    """Where a JSON object says that something failed."""
    for name in ("error", "errors"):
        if found.get(name):
            return f"{name}{reason_in({'error': found[name]}) or ': true'}"
    for name in ("success", "ok"):
        if found.get(name) is False:
            return f"{name}: false{reason_in(found)}"
    status = found.get("status")
    if isinstance(status, str) and status.lower() in UNWELL:
        return f"status: {plain(status)}{reason_in(found)}"
    return sealed_in(found)
