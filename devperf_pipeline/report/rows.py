"""
Which rows does a report show, and what do they say?

Reads the warehouse into plain data; the only place of `report/` that asks it anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import Instrument, ServiceState
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import FLOOR
from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection

ENOUGH_FOR_P95 = 72
ENOUGH_FOR_P99 = 368
ENOUGH_FOR_P999 = 3_688
"""Below so many samples no two-sided 95 % interval of that percentile exists: a dash is the honest answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """
    The baseline that the report is about. `ended_at_ns` is None where it was cut short.
    """

    baseline_id: str
    stack: str
    profile: str
    seed: int
    began_at_ns: int
    ended_at_ns: int | None
    state: str
    samples: int
    rounds: int
    newest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One benchmark's measurement, as `percentiles` has it. `is_new` says that this baseline measured it.
    """

    baseline_id: str
    is_new: bool
    service: str
    operation: str
    title: str
    benchmark: str
    instrument: Instrument
    users: int
    n: int
    errors: int
    valid: bool
    invalid_reason: str | None
    rounds: int
    throughput_per_s: float | None
    mean_ns: int | None
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    p999_ns: int | None
    max_ns: int | None
    p95_low_ns: int | None
    p95_high_ns: int | None
    p95_bounds: str | None
    floor_p50_ns: int | None
    measured_at_ns: int

    @property
    def is_floor(self) -> bool:
        """
        Whether it asked for nothing: what the instrument itself costs.
        """
        return self.operation == FLOOR

    @property
    def trusted_p95_ns(self) -> int | None:
        return self.p95_ns if self.n >= ENOUGH_FOR_P95 else None

    @property
    def trusted_p99_ns(self) -> int | None:
        return self.p99_ns if self.n >= ENOUGH_FOR_P99 else None

    @property
    def trusted_p999_ns(self) -> int | None:
        return self.p999_ns if self.n >= ENOUGH_FOR_P999 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """
    One service of the stack. `asked` says whether this baseline was about it, `state` what became of it.

    `product` and `version` are what really ran when somebody last looked (`seen_in`), None if nobody ever did.
    `last_reason` is the newest reason, of this baseline or an earlier one, not to measure it.
    """

    service: str
    asked: bool
    state: ServiceState | None
    reason: str | None
    product: str | None
    version: str | None
    seen_in: str | None
    last_reason: str | None
    settings: Mapping[str, str]
    rows: Sequence[Row]

    @property
    def new(self) -> Sequence[Row]:
        """
        What this baseline measured.
        """
        return [row for row in self.rows if row.is_new]

    @property
    def title(self) -> str:
        """
        How people call it: the catalogue's title, or the name in the stack file.
        """
        kind = CATALOGUE.get(self.service)
        return kind.title if kind else self.service


_OPTIONAL = ("state", "reason", "product", "version", "seen_in", "last_reason")
"""What is unknown of a service that only has rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """
    Everything that a report is made of. `host` are the facts of the machine.
    """

    sitting: Sitting
    host: Mapping[str, str]
    parts: Sequence[Part]


def picture(con: "Connection", baseline_id: str | None = None) -> Picture:
    """
    The stack as it stood at the end of that baseline (None: the newest).

    Services stand in the order of the catalogue, those it does not know at the end.

    Raises:
        StoreError: no baseline of that id, or none at all.

    """
    sitting = _sitting(con, baseline_id)
    rows = [Row(**row) for row in _ask(con, "report_rows", baseline_id=sitting.baseline_id)]
    services = {row["service"]: row for row in _ask(con, "report_services", baseline_id=sitting.baseline_id)}
    names = sorted(services.keys() | {row.service for row in rows}, key=_place)
    facts = {name: _facts(con, service.get("seen_in")) for name, service in services.items()}
    nothing: dict[str, Any] = {"asked": False, **dict.fromkeys(_OPTIONAL)}
    return Picture(
        sitting=sitting,
        host=_facts(con, sitting.baseline_id).get("host", {}),
        parts=[
            Part(
                **{**nothing, **services.get(name, {}), "service": name},
                settings=_settings(facts.get(name, {}).get(name, {})),
                rows=[row for row in rows if row.service == name],
            )
            for name in names
        ],
    )


def shown(rows: Sequence[Row]) -> list[tuple[Row, Row | None]]:
    """
    The lines of a service's table: the engine's reading and beside it the driver's, where both exist.

    Where the engine could not ask, the driver's reading is the line. Floors are no lines of their own.
    An invalid reading stands alone, after the valid one of the same operation and users.
    """
    rows = [row for row in rows if not row.is_floor]
    drivers = {(row.operation, row.users): row for row in rows if row.instrument == "driver" and row.valid}
    paired = {(row.operation, row.users) for row in rows if row.instrument == "engine" and row.valid}
    lines: list[tuple[Row, Row | None]] = []
    for row in rows:
        key = (row.operation, row.users)
        if row.instrument == "engine":
            lines.append((row, drivers.get(key) if row.valid else None))
        elif not row.valid or key not in paired:
            lines.append((row, None))
    return lines


def curves(con: "Connection", part: Part) -> dict[tuple[str, str], list[tuple[float, int]]]:
    """
    The percentile curves of what a picture shows, from the raw samples, keyed by baseline and benchmark.
    """
    wanted: dict[str, list[str]] = {}
    for row, _ in shown(part.rows):
        if row.valid:
            wanted.setdefault(row.baseline_id, []).append(row.benchmark)
    found: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for baseline_id, benchmarks in wanted.items():
        for point in _ask(con, "report_curve", baseline_id=baseline_id, benchmarks=benchmarks):
            key = (baseline_id, point["benchmark"])
            found.setdefault(key, []).append((float(point["share"]), int(point["latency_ns"])))
    return found


def _sitting(con: "Connection", baseline_id: str | None) -> Sitting:
    found = _ask(con, "report_baseline", baseline_id=baseline_id)
    if found:
        return Sitting(**found[0])
    if baseline_id is None:
        raise StoreError(
            "A report needs a baseline, and the warehouse holds none. Measure one first: make baseline"
        )
    raise StoreError(
        f"No baseline is called {baseline_id!r}. The table `baselines` of the warehouse lists all there are."
    )


def _facts(con: "Connection", baseline_id: str | None) -> dict[str, dict[str, str]]:
    """
    What was found in a baseline: service (or "host") to its facts.
    """
    facts: dict[str, dict[str, str]] = {}
    if baseline_id is not None:
        for row in _ask(con, "report_infrastructure", baseline_id=baseline_id):
            facts.setdefault(row["service"], {})[row["key"]] = row["value"]
    return facts


def _settings(facts: Mapping[str, str]) -> dict[str, str]:
    """
    The facts of a service but for its product and version, which have columns of their own.
    """
    return {key: value for key, value in facts.items() if key not in {"product", "version"}}


def _place(service: str) -> tuple[int, str]:
    kinds = list(CATALOGUE)
    return (kinds.index(service) if service in CATALOGUE else len(kinds), service)


def _ask(con: "Connection", name: str, **parameters: object) -> list[dict[str, Any]]:
    """
    Rows whose columns have the types that the statement gives them.
    """
    return cast("list[dict[str, Any]]", query(con, name, **parameters))
