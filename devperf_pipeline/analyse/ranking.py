"""
Which implementation of a route is the fastest, among those that can be compared?

Like is compared with like: the same answer, the same work behind it, a reading that counts, the same baseline and
placement. Whoever is left out is named, with the reason.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from devperf_pipeline.analyse.contract import load
from devperf_pipeline.analyse.parity import Parity, parity
from devperf_pipeline.model import RouteAnswer
from devperf_pipeline.store.confidence import LEAST_SAMPLES
from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection

AGGREGATED = "GET /health/all"
"""The route that asks several dependencies: one after the other and all at once are not the same work."""

ORDERS = {"sequential": "one after the other", "concurrent": "all at once"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    The engine's reading of one route of one implementation, at one user. Times are nanoseconds.

    `aggregation` is how several dependencies are asked, None where that is not known.
    """

    service: str
    route: str
    n: int
    valid: bool
    invalid_reason: str | None
    placement: str
    p50_ns: int | None
    p95_ns: int | None
    p95_low_ns: int | None
    p95_high_ns: int | None
    aggregation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One route: the readings that can be compared, the least p95 first; of each other service why it is left out."""

    route: str
    places: tuple[Reading, ...]
    left_out: Mapping[str, str]


def rankings(con: "Connection", baseline_id: str, contract: Path) -> list[Ranking]:
    """
    A ranking for each route that two implementations or more answered in that baseline, in the order of the routes.

    `contract` is where the reference APIs' contract is; without it, what most answered counts.

    Raises:
        StoreError: the warehouse cannot answer.

    """
    answers: dict[str, list[RouteAnswer]] = {}
    for row in cast("list[dict[str, Any]]", query(con, "ranking_answers", baseline_id=baseline_id)):
        shape: dict[str, str] = json.loads(row["shape"])
        answers.setdefault(row["service"], []).append(
            RouteAnswer(route=row["route"], status=row["status"], shape=shape)
        )
    found = cast("list[dict[str, Any]]", query(con, "ranking_readings", baseline_id=baseline_id))
    readings = [Reading(**row) for row in found]
    same = parity(answers, load(contract))
    routes = list(dict.fromkeys([*(reading.route for reading in readings), *same]))
    return [
        ranked(same[route], [reading for reading in readings if reading.route == route])
        for route in routes
        if len(same[route].same) + len(same[route].others) > 1
    ]


def ranked(same: Parity, readings: Sequence[Reading]) -> Ranking:
    """The ranking of one route, from its readings in one baseline."""
    left_out = dict(same.others)
    here = {reading.service: reading for reading in readings}
    for service in same.same:
        why = _uncounted(here.get(service))
        if why is not None:
            left_out[service] = why
    candidates = [here[service] for service in same.same if service not in left_out]
    placement = _usual(reading.placement for reading in candidates)
    aggregation = _usual(reading.aggregation for reading in candidates)
    for reading in candidates:
        if reading.placement != placement:
            left_out[reading.service] = (
                f"it ran in another placement: {reading.placement}, the others in {placement}"
            )
        elif same.route == AGGREGATED and reading.aggregation != aggregation:
            left_out[reading.service] = (
                f"it does other work: it asks its dependencies {_how(reading.aggregation)}, "
                f"the others {_how(aggregation)}"
            )
    places = [reading for reading in candidates if reading.service not in left_out]
    places.sort(key=lambda reading: (reading.p95_ns or 0, reading.p50_ns or 0))
    return Ranking(route=same.route, places=tuple(places), left_out=left_out)


def _uncounted(reading: Reading | None) -> str | None:
    """Why a reading does not count, as the rest of a sentence, or None."""
    if reading is None:
        return "it has no reading in this baseline"
    if not reading.valid:
        return f"its reading does not count: {reading.invalid_reason or 'no reason was stored'}"
    if reading.n < LEAST_SAMPLES or reading.p95_ns is None:
        return f"it has {reading.n} calls, too few for a p95"
    return None


def _how(aggregation: str | None) -> str:
    return ORDERS.get(aggregation or "", "in an order that is not known")


def _usual(values: Any) -> Any:
    """What most have; of two that as many have, the one that came first."""
    most = Counter(values).most_common(1)
    return most[0][0] if most else None
