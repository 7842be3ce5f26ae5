"""
What would disturb a measurement of an API: do a rate limit or a cache answer in its place?

Found by asking, before anything is measured: what headers say, and what answers of the same question have in common
that they should not.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar, cast

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.services.http.client import HttpClient
from devperf_pipeline.services.http.limits import limited_by
from devperf_pipeline.services.http.protocol import NONE, PASSING, Answer, as_object, cached_by
from devperf_pipeline.services.http.workload import HttpRoute

ASKED = 3
"""How often each way of asking is tried."""

SURELY = 8
"""How often again where only the time that it takes speaks."""

PAUSE_S = 1.1
"""After so long, a clock that counts seconds has moved."""

CLIFF = 5
CLIFF_NS = 2_000_000
"""So many times, and so much, slower is an answer that a cache does not give."""

OLD_S = 2
RECENT_S = 3_600
MOMENT = re.compile(r"time|now|date|^at$|checked|generated", re.IGNORECASE)
OTHER_MOMENT = re.compile(
    r"start|boot|creat|built|build|since|expir|modif|updat|deploy|zone|out", re.IGNORECASE
)
IDENTITY = re.compile(r"(request|trace|correlation)_?id|nonce", re.IGNORECASE)

Row = TypeVar("Row", bound=HttpRoute)

Ask = Callable[[str, Mapping[str, str]], Answer]
"""Ask the same route again: what is put behind its target, and more headers."""


@dataclass(frozen=True, slots=True)
class PreflightWarning:
    """
    What stands before a route: a "limit" or a "cache", and what was seen of it.

    A cache that says so in a header can be told call by call; a `passable` one lets requests through that ask for it.
    """

    kind: str
    seen: str
    told: bool = False
    passable: bool = False


def declared_by(answer: Answer) -> str | None:
    """What an answer says of being kept for a while, unless it says as well that no cache had it."""
    headers = answer.headers
    kept = re.search(r"max-age=[1-9]\d*", headers.get("cache-control", ""))
    if kept and "etag" in headers and not missed_by(headers):
        return f"cache-control: {kept[0]}, with an etag"
    return None


def missed_by(headers: Mapping[str, str]) -> bool:
    """Whether a cache says that it did not answer."""
    return any("cache" in name and "miss" in value.lower() for name, value in headers.items())


@dataclass(slots=True)
class Trial:
    """
    A few answers of one route, and what they give away. Only for what can be asked without changing anything.

    Of a route that is not `known`, a field may be called time or id and be that of an order: it tells of a cache only
    where it changes as soon as caches are passed.
    """

    ask: Ask
    known: bool = True
    plain: list[Answer] = field(default_factory=list[Answer])
    plain_ns: list[int] = field(default_factory=list[int])
    began_s: float = 0.0

    def begin(self) -> PreflightWarning | None:
        """What is found without waiting; raises a `ServiceError` where the API does not answer."""
        self.began_s = time.monotonic()
        for _ in range(ASKED):
            self._ask_plainly()
            if seen := limited_by(self.plain[-1]):
                return PreflightWarning("limit", seen)
        for answer in self.plain:
            if seen := cached_by(answer.headers):
                passed = all(cached_by(self.ask("", PASSING).headers) is None for _ in range(2))
                return PreflightWarning("cache", seen, told=True, passable=passed)
        # A cache that tells needs no other question, and would keep the answer to each that we make up.
        if any(answer.status != 200 or missed_by(answer.headers) for answer in self.plain):
            return None
        return self._contrast() or (self._repeated() or self._declared() if self.known else None)

    def end(self) -> PreflightWarning | None:
        """What is found when time has passed, if there is anything in the answers that should have moved with it."""
        still = set(_moments(self.plain[0])) & set(_moments(self.plain[-1]))
        if not still:
            return None
        time.sleep(max(0.0, self.began_s + PAUSE_S - time.monotonic()))
        self._ask_plainly()
        stood = still & set(_moments(self.plain[-1]))
        if stood and not self.known:
            [passed], _ = self._ask_past_caches(1)
            stood = stood - set(_leaves(passed)) if passed.status == 200 else set[tuple[str, Any]]()
        for path, value in sorted(stood, key=str):
            return PreflightWarning("cache", f"{path} was {str(value)[:40]} in every answer of {PAUSE_S:g} s")
        return None

    def _timed(self, suffix: str, headers: Mapping[str, str]) -> tuple[Answer, int]:
        began = time.perf_counter_ns()
        return self.ask(suffix, headers), time.perf_counter_ns() - began

    def _ask_plainly(self) -> None:
        answer, took_ns = self._timed("", NONE)
        self.plain.append(answer)
        self.plain_ns.append(took_ns)

    def _contrast(self) -> PreflightWarning | None:
        """What is other when the same is asked in a way that no cache has seen."""
        passed, passed_ns = self._ask_past_caches(ASKED)
        if any(answer.status != 200 for answer in passed):
            return None
        # Once more, after the others: what only happened to stand still has moved by now.
        self._ask_plainly()
        leaves = [set(_leaves(answer)) for answer in self.plain]
        held = dict(leaves[0].intersection(*leaves[1:]))
        told = [dict(_leaves(answer)) for answer in passed]
        for path in sorted(held):
            values = {str(leaves.get(path)) for leaves in told}
            echoed = any("devperf=" in value for value in values)
            if len(values) == ASKED and str(held[path]) not in values and not echoed:
                return PreflightWarning(
                    "cache", f"{path} was the same in {ASKED} answers, and another in each that passes caches"
                )
        return self._cliff() if _is_cliff(min(self.plain_ns), min(passed_ns)) else None

    def _cliff(self) -> PreflightWarning | None:
        """Whether passing caches takes longer every time, asked in turn: a busy machine makes both kinds late."""
        slow: list[int] = []
        for _ in range(SURELY):
            self._ask_plainly()
            slow += self._ask_past_caches(1)[1]
        fast_ns, slow_ns = sorted(self.plain_ns[-SURELY:])[SURELY // 2], min(slow)
        if not _is_cliff(fast_ns, slow_ns):
            return None
        return PreflightWarning(
            "cache",
            f"the same request took {fast_ns / 1e6:.1f} ms, and {slow_ns / 1e6:.1f} ms when it passes caches",
        )

    def _ask_past_caches(self, times: int) -> tuple[list[Answer], list[int]]:
        """Answers to requests that no cache has seen, and how long each took."""
        asked = [self._timed(f"?devperf={time.perf_counter_ns()}", PASSING) for _ in range(times)]
        return [answer for answer, _ in asked], [took_ns for _, took_ns in asked]

    def _repeated(self) -> PreflightWarning | None:
        """What names one request and came in answers to several."""
        for path, value in set(_leaves(self.plain[0])) & set(_leaves(self.plain[-1])):
            if IDENTITY.search(path.rpartition(".")[2]) and value:
                return PreflightWarning(
                    "cache", f"{path} was {str(value)[:40]} in the answers to {ASKED} requests"
                )
        return None

    def _declared(self) -> PreflightWarning | None:
        """What says that it may be kept, and does not say whether it was."""
        seen = declared_by(self.plain[-1])
        return PreflightWarning("cache", seen) if seen else None


def standing_before(
    client: HttpClient, routes: Sequence[HttpRoute], *, known: bool = True
) -> dict[str, PreflightWarning]:
    """
    What stands before these routes, by their names. Only for those that can be asked as often as one likes.

    `known` says that the fields of their answers mean what they are called by.
    """

    def again(route: HttpRoute, suffix: str, headers: Mapping[str, str]) -> Answer:
        more = suffix.replace("?", "&", 1) if "?" in route.target else suffix
        return client.ask(route.method, route.target + more, headers=headers)

    found = warnings_of([partial(again, route) for route in routes], known=known)
    return {route.name: each for route, each in zip(routes, found, strict=True) if each is not None}


def rows_of(route: Row, warning: PreflightWarning | None) -> tuple[Sequence[Row], str | None]:
    """Which rows a route gives, and why its own is not among them, if it is not."""
    if warning is None:
        return (route,), None
    if not warning.told:
        return (), explained(warning)
    if not warning.passable:
        return (route.cached(),), explained(warning)
    return (route.cold(), route.cached()), None


def explained(warning: PreflightWarning) -> str:
    """What a warning means for a row."""
    if warning.kind == "silence":
        return warning.seen
    if warning.kind == "limit":
        return f"a rate limit answers in its place or will soon ({warning.seen}): turn it off for the time of measuring"
    if warning.told and warning.passable:
        return f"a cache answers ({warning.seen}): measured cold with Cache-Control: no-cache, and cached in a row of its own"
    if warning.told:
        return f"a cache answers ({warning.seen}) and lets nothing pass: only measured cached, in a row of its own"
    return f"a cache seems to answer ({warning.seen}): turn it off for the time of measuring"


def warnings_of(asks: Sequence[Ask], *, known: bool = True) -> list[PreflightWarning | None]:
    """
    What stands before each route, None where nothing was found. All routes are waited for together.

    A route that does not answer when it is asked again costs the others nothing. For `known` see `Trial`.
    """
    trials = [Trial(ask, known=known) for ask in asks]
    found = [_unless_silent(trial.begin) for trial in trials]
    return [
        seen or _unless_silent(trial.end) if trial.plain else seen
        for seen, trial in zip(found, trials, strict=True)
    ]


def _unless_silent(look: Callable[[], PreflightWarning | None]) -> PreflightWarning | None:
    try:
        return look()
    except ServiceError as error:
        return PreflightWarning("silence", str(error))


def _is_cliff(fast_ns: int, slow_ns: int) -> bool:
    return slow_ns > CLIFF * fast_ns and slow_ns - fast_ns > CLIFF_NS


def _leaves(answer: Answer) -> Iterator[tuple[str, Any]]:
    """Every plain value of a JSON body with its place: `("services.vault.status", "healthy")`."""
    try:
        yield from _leaves_of("", json.loads(answer.body))
    except (ValueError, RecursionError):
        return


def _leaves_of(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for key, each in as_object(value).items():
                yield from _leaves_of(f"{path}.{key}" if path else key, each)
        case list():
            for number, each in enumerate(cast("list[Any]", value)):
                yield from _leaves_of(f"{path}.{number}", each)
        case _:
            yield path, value


def _moments(answer: Answer) -> Iterator[tuple[str, Any]]:
    """What in an answer should move with the clock: times of the answer itself, and how long the API is up."""
    # A cache between us and the API repeats its old date, too.
    if _is_old(date := answer.headers.get("date", "")):
        yield "the header date", date
    for path, value in _leaves(answer):
        key = path.rpartition(".")[2]
        if "uptime" in key.lower():
            if value:
                yield path, value
        elif MOMENT.search(key) and not OTHER_MOMENT.search(key) and _is_recent(value):
            yield path, value


def _is_old(date: str) -> bool:
    try:
        return parsedate_to_datetime(date).timestamp() < time.time() - OLD_S
    except ValueError:
        return False


def _is_recent(value: Any) -> bool:
    now = time.time()
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return False
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value // 1_000 if value > 100 * now else value
    else:
        return False
    return now - RECENT_S < seconds < now + 60
