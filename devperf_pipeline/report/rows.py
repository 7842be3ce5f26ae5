"""
Which plain data is a report made of?

The rows of the warehouse: the baseline (`Run`), its stack's services (`Part`), their measurements (`Row`), and the cells
of a published baseline (`Cell`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devperf_pipeline.model import Instrument, ServiceState, calls_needed
from devperf_pipeline.services import kind_of, role_of
from devperf_pipeline.services import title_of as catalogue_title
from devperf_pipeline.services.operation import FLOOR

ENOUGH_FOR_P95, ENOUGH_FOR_P99, ENOUGH_FOR_P999 = map(calls_needed, (0.95, 0.99, 0.999))
"""Below so many samples no two-sided 95 % interval of that percentile exists: a dash is the honest answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """
    The baseline that the report is about. `ended_at_ns` is None where it was cut short.

    `benchmarks` and `calls` count load tests and reference tools, too.
    """

    baseline_id: str
    stack: str
    profile: str
    seed: int
    began_at_ns: int
    ended_at_ns: int | None
    forecast_s: float | None
    state: str
    samples: int
    rounds: int
    benchmarks: int
    calls: int
    newest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One benchmark's measurement, as `percentiles` has it. `is_new` says that this baseline measured it.

    `elapsed_ns` is how long its rounds lasted together, None where nobody knows.
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
    periods: int | None
    throttled_periods: int | None
    busy_rounds: int
    placement: str
    elapsed_ns: int | None
    measured_at_ns: int

    @property
    def is_floor(self) -> bool:
        """Whether it asked for nothing: what the instrument itself costs."""
        return self.operation == FLOOR

    @property
    def throttled(self) -> float | None:
        """The share of the periods of its CPU limit in which the service was stopped; None where no limit is seen."""
        return (self.throttled_periods or 0) / self.periods if self.periods else None

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
        """What this baseline measured."""
        return [row for row in self.rows if row.is_new]

    @property
    def kind(self) -> str:
        """Its kind, "" where nobody knows it."""
        kind = kind_of(self.service)
        return kind.name if kind else ""

    @property
    def title(self) -> str:
        """How people call it: the catalogue's title, or the name in the stack file."""
        return catalogue_title(self.service)

    @property
    def stand_in(self) -> str | None:
        """The program that answers in the service's place ("MariaDB 10.11"), None where the service itself does."""
        if "protocol" not in (self.product or "") or role_of(self.service) == "api":
            return None  # an API is called as it calls itself
        outside, _, inside = (self.product or "").rstrip(")").partition(" (")
        return inside if "protocol" in outside and inside else outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """
    One cell of a published baseline, and what was measured in its place, or why it was not.

    `service` is the one that was measured, which is not always the one that the publication speaks of.
    """

    published_id: str
    table_name: str
    subject: str
    row_name: str
    metric: str
    unit: str | None
    published: str | None
    measured: str | None
    applies: bool
    reason: str | None
    service: str

    @property
    def filled(self) -> bool:
        return self.measured is not None


def title_of(service: str) -> str:
    """How people call a service, or a node of one ("redis_cluster/1"); its name where nobody knows it."""
    name, _, node = service.partition("/")
    if kind_of(name) is None:
        return service
    return f"{catalogue_title(name)}, node {node}" if node else catalogue_title(name)


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
