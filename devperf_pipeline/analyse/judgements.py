"""
What do the rules say of a baseline? What changed, who is the fastest, what is found, what contradicts itself.

The rules are SQL and what they give are tables of the warehouse, so a query sees what a report says; this is their
rows as plain data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, cast

from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection

PUBLISHED = "published "
"""How the source of a publication begins; all others are baselines of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    One metric of one benchmark that a baseline and its reference both measured, as `comparisons` has it.

    `ratio` is now / before, None where nothing was compared, and `reason` says why; `visible` is the smallest ratio
    above 1 that could have been told, `drift` by how much all benchmarks together moved. `missing_repeats` is how many
    more baselines it takes until they say how far runs differ. The plans are how the server said that it would answer.
    """

    service: str
    operation: str
    title: str
    benchmark: str
    metric: Literal["p50", "p95"]
    verdict: Literal["slower", "faster", "no change", "cannot tell", "not comparable", "invalid"]
    reason: str | None
    before_ns: int | None
    now_ns: int | None
    ratio: float | None
    visible: float | None
    repeats: int
    missing_repeats: int
    provisional: bool
    drift: float | None
    plan_before: str | None = None
    plan_now: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that changed and did not. `infrastructure` are facts that differ: service, key, before, now."""

    reference_id: str
    reference_began_ns: int
    rows: Sequence[Change]
    infrastructure: Sequence[tuple[str, str, str, str]]

    @property
    def drift(self) -> float | None:
        """The median of all p50 ratios, None of too few: where it is far from 1 the machine changed."""
        return next((row.drift for row in self.rows), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The engine's reading of one route of one implementation, at one user. Times are nanoseconds."""

    service: str
    n: int
    p50_ns: int | None
    p95_ns: int | None
    p95_low_ns: int | None
    p95_high_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One route: the readings that can be compared, the least p95 first; of each other service why it is left out."""

    route: str
    places: tuple[Reading, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A bottleneck or a cost that was searched for, as `findings` has it. Impacts and p50 are of one call."""

    finding: str
    kind: Literal["bottleneck", "choice"]
    title: str
    service: str
    operation: str
    users: int
    against: str
    holds: bool
    status: Literal["open", "improved", "optimised", "not found", "cannot tell"]
    against_baseline_id: str | None
    p50_ns: int
    impact_ns: int
    impact_low_ns: int
    impact_high_ns: int
    ratio: float
    ratio_low: float
    ratio_high: float
    rounds: int
    behind_ns: int | None
    server_cores: int | None
    rule: str
    remedy: str
    gain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one layer adds to a task: the service to the way there, the driver to the service, an API to the service."""

    task: str
    layer: Literal["service", "driver", "api"]
    service: str
    p50_ns: int
    against_p50_ns: int
    difference_ns: int
    difference_low_ns: int
    difference_high_ns: int
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """
    One place where figures contradict each other.

    `source` is "published <name>" or the id of a baseline, `place` a table and row or a benchmark.
    `expected` is what the other figures say, in the unit of `found`; None where the rule has no one number.
    """

    source: str
    place: str
    rule: str
    expected: float | None
    found: float | None
    sentence: str

    @property
    def published(self) -> bool:
        """Whether somebody else wrote it."""
        return self.source.startswith(PUBLISHED)


def changes(con: "Connection", baseline_id: str) -> Changes | None:
    """A baseline against the one that `machines` names as its reference; None where there is none."""
    for reference in _rows(con, "analyse_reference", baseline_id=baseline_id):
        rows = [Change(**row) for row in _rows(con, "analyse_comparisons", baseline_id=baseline_id)]
        return Changes(
            reference_id=reference["reference_id"],
            reference_began_ns=reference["reference_began_ns"],
            rows=rows,
            infrastructure=[tuple(fact.values()) for fact in reference["facts"]],
        )
    return None


def rankings(con: "Connection", baseline_id: str) -> list[Ranking]:
    """A ranking for each route that two implementations or more answered in that baseline, in the order of the routes."""
    rows = _rows(con, "analyse_rankings", baseline_id=baseline_id)
    return [_ranking(route, list(group)) for route, group in groupby(rows, lambda row: row["route"])]


def _ranking(route: str, rows: Sequence[dict[str, Any]]) -> Ranking:
    names = Reading.__slots__
    return Ranking(
        route=route,
        places=tuple(
            Reading(**{name: row[name] for name in names}) for row in rows if row["why_not"] is None
        ),
        left_out={row["service"]: row["why_not"] for row in rows if row["why_not"] is not None},
    )


def findings(con: "Connection", baseline_id: str) -> Sequence[Finding]:
    """All that this baseline was searched for, whether it was found or not; what should be repaired comes first."""
    return [Finding(**row) for row in _rows(con, "analyse_findings", baseline_id=baseline_id)]


def layers(con: "Connection", baseline_id: str) -> Sequence[Layer]:
    """The layers of each task of which this baseline has the rows."""
    return [Layer(**row) for row in _rows(con, "analyse_layers", baseline_id=baseline_id)]


def contradictions(con: "Connection") -> Sequence[Contradiction]:
    """Where figures contradict each other, publications first."""
    return [Contradiction(**row) for row in _rows(con, "report_lint")]


def _rows(con: "Connection", name: str, **parameters: object) -> list[dict[str, Any]]:
    """
    The rows of a statement, whose columns have the types that it gives them.

    Raises:
        StoreError: the warehouse cannot answer.

    """
    return cast("list[dict[str, Any]]", query(con, name, **parameters))
