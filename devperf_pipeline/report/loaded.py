"""
What is a report made of, and when is it read?

`load` opens the warehouse once; each part of the report is read when it is first asked for. This is the only module of
`report/` that asks the warehouse anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, cast

from devperf_pipeline.analyse.judgements import (
    Changes,
    Contradiction,
    Finding,
    Layer,
    Ranking,
    changes,
    contradictions,
    findings,
    layers,
    rankings,
)
from devperf_pipeline.errors import StoreError
from devperf_pipeline.report.chart_style import colours_of
from devperf_pipeline.report.rows import Cell, Part, Row, Run, shown, title_of
from devperf_pipeline.services import place_of
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.warehouse import connect, query, table_rows

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection

Rows = Sequence[Mapping[str, Any]]
"""Rows of a statement, whose columns have the types that the statement gives them."""

_OPTIONAL = ("state", "reason", "product", "version", "seen_in", "last_reason")
"""What is unknown of a service that only has rows."""


def load(folders: Folders, baseline_id: str | None = None, stack: str | None = None) -> "Report":
    """
    The report of a baseline, or of the newest one (of `stack`, or of all that were measured here). Close it: use `with`.

    Raises:
        StoreError: no such baseline, or the warehouse cannot be read.

    """
    con = connect(folders)
    try:
        return read(con, baseline_id, stack)
    except BaseException:
        con.close()
        raise


def read(con: "Connection", baseline_id: str | None = None, stack: str | None = None) -> "Report":
    """
    The same through a connection that is open already.

    Raises:
        StoreError: no such baseline, or the warehouse cannot be read.

    """
    found = cast("list[dict[str, Any]]", query(con, "report_baseline", baseline_id=baseline_id, stack=stack))
    if found:
        return Report(Run(**found[0]), con)
    if baseline_id is not None:
        raise StoreError(
            f"No baseline is called {baseline_id!r}. The table `baselines` of the warehouse lists all there are."
        )
    of = f" of the stack {stack!r}" if stack else ""
    raise StoreError(
        f"A report needs a baseline{of}, and the warehouse holds none. Measure one first: make baseline"
    )


@dataclass(frozen=True, eq=False)
class Report:
    """
    Everything that a report of one baseline is made of: the stack as it stood at the baseline's end.

    What is not a field is read from the warehouse when it is first asked for, and kept.
    """

    run: Run
    con: "Connection" = field(repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the warehouse. What was read stays."""
        self.con.close()

    def asked(self, statement: str, **parameters: object) -> Rows:
        """Rows of `sql/<statement>.sql` of this baseline, or of the one that the parameters name."""
        return query(self.con, statement, **{"baseline_id": self.run.baseline_id, **parameters})

    def table(self, name: str, baseline_id: str | None = None) -> Rows:
        """The rows of a table or view that are this baseline's, or another's."""
        return table_rows(self.con, name, baseline_id or self.run.baseline_id)

    @cached_property
    def parts(self) -> Sequence[Part]:
        """The services of the stack in the order of the catalogue, those that it does not know at the end."""
        rows = self._answers([Row(**row) for row in self.asked("report_rows")])
        services = {row["service"]: row for row in self.asked("report_services")}
        names = sorted(services.keys() | {row.service for row in rows}, key=place_of)
        facts = {name: self._facts(service["seen_in"]) for name, service in services.items()}
        nothing: dict[str, Any] = {"asked": False, **dict.fromkeys(_OPTIONAL)}
        return [
            Part(
                **{**nothing, **services.get(name, {}), "service": name},
                settings=_settings(facts.get(name, {}).get(name, {})),
                rows=[row for row in rows if row.service == name],
            )
            for name in names
        ]

    @cached_property
    def colours(self) -> Mapping[str, str]:
        """The colour of each service in all pictures."""
        ranked = {place.service for one in self.rankings for place in one.places}
        drawn = {row["service"] for rows in (self.load_tests, self.history) for row in rows}
        return colours_of({part.service for part in self.parts} | ranked | drawn)

    def part(self, service: str) -> Part | None:
        """One service of the stack; None where the stack never had it."""
        return next((part for part in self.parts if part.service == service), None)

    @property
    def stand_ins(self) -> Sequence[Part]:
        """The services in whose place another program answered."""
        return [part for part in self.parts if part.stand_in and part.rows]

    @cached_property
    def host(self) -> Mapping[str, str]:
        """The facts of the machine."""
        return self._facts(self.run.baseline_id).get("host", {})

    @cached_property
    def changes(self) -> Changes | None:
        """What changed since the newest complete baseline before it; None where there is none."""
        return changes(self.con, self.run.baseline_id)

    @cached_property
    def rankings(self) -> Sequence[Ranking]:
        """The implementations of each route that this baseline measured, the fastest first."""
        return rankings(self.con, self.run.baseline_id)

    @cached_property
    def findings(self) -> Sequence[Finding]:
        """All that the baseline was searched for, whether it was found or not."""
        return findings(self.con, self.run.baseline_id)

    @cached_property
    def layers(self) -> Sequence[Layer]:
        """What each layer adds to a task."""
        return layers(self.con, self.run.baseline_id)

    @cached_property
    def load_tests(self) -> Rows:
        """Sustained loads; of each operation the fewest users first."""
        return self.asked("report_load_tests")

    @cached_property
    def knees(self) -> Rows:
        """From how many users on more of them only wait longer, for each sustained operation."""
        return self.table("knees")

    @cached_property
    def resources(self) -> Rows:
        """What each process tree used, at rest and under each load."""
        return self.asked("report_resources")

    @cached_property
    def memory(self) -> Rows:
        """What one more request in flight costs in memory, for each service and measure."""
        return self.table("memory_per_request")

    @cached_property
    def tools(self) -> Rows:
        """Benchmarks that a reference tool measured beside the engine."""
        return self.table("agreements")

    def tool_runs(self, service: str) -> Rows:
        """The runs of reference tools on one service."""
        return self.asked("report_stated", service=service)

    @cached_property
    def rounds(self) -> Rows:
        """How many rounds each service has, and how many of them do not count or were disturbed."""
        return self.asked("report_rounds")

    @cached_property
    def baselines(self) -> Rows:
        """The baselines of the stack up to this one, newest first."""
        return self.asked("report_baselines")

    @cached_property
    def history(self) -> Rows:
        """The readings of one benchmark of each service over those baselines."""
        return self.asked("report_history")

    def course(self, test: Mapping[str, Any], bucket_ns: int) -> tuple[Rows, Rows]:
        """A load test over its time: the latency of each piece of it, and the readings of its service's processes."""
        asked = {"benchmark": test["benchmark"]}
        return (
            self.asked("report_timeline_latency", **asked, bucket_ns=bucket_ns),
            self.asked("report_timeline_use", **asked, service=test["service"]),
        )

    @cached_property
    def cells(self) -> Sequence[Cell]:
        """All published cells, each beside what this baseline measured in its place."""
        return [Cell(**row) for row in self.asked("report_coverage")]

    @cached_property
    def contradictions(self) -> Sequence[Contradiction]:
        """Where figures contradict each other, in what is published and in all our tables."""
        return contradictions(self.con)

    def curves(self, part: Part) -> Mapping[tuple[str, str], Sequence[tuple[float, int]]]:
        """The percentile curves of a service's table, from its samples, by baseline and benchmark."""
        wanted: dict[str, list[str]] = {}
        for row, _ in shown(part.rows):
            if row.valid:
                wanted.setdefault(row.baseline_id, []).append(row.benchmark)
        found: dict[tuple[str, str], list[tuple[float, int]]] = {}
        for baseline_id, benchmarks in wanted.items():
            for point in self.asked("report_curve", baseline_id=baseline_id, benchmarks=benchmarks):
                key = (baseline_id, point["benchmark"])
                found.setdefault(key, []).append((float(point["share"]), int(point["latency_ns"])))
        return found

    title_of = staticmethod(title_of)

    def operation_of(self, service: str, operation: str) -> str:
        """How people call an operation of a service; its name where no row has it."""
        part = self.part(service)
        return (
            next((row.title for row in part.rows if row.operation == operation), operation)
            if part
            else operation
        )

    def _facts(self, baseline_id: str | None) -> Mapping[str, Mapping[str, str]]:
        """What was found in a baseline: service (or "host") to its facts."""
        if baseline_id is None:
            return {}
        known = self._known
        if baseline_id not in known:
            facts: dict[str, dict[str, str]] = {}
            for row in self.table("infrastructure", baseline_id):
                facts.setdefault(row["service"], {})[row["key"]] = row["value"]
            known[baseline_id] = facts
        return known[baseline_id]

    @cached_property
    def _known(self) -> dict[str, Mapping[str, Mapping[str, str]]]:
        """The facts of each baseline that were asked for."""
        return {}

    def _answers(self, rows: Sequence[Row]) -> Sequence[Row]:
        """One answer to each question: without what the engine measured beside a tool only where a load test asked the same."""
        names = ("baseline_id", "service", "operation", "users")
        beside = {tuple(row[name] for name in names) for row in query(self.con, "report_beside_tools")}
        return [row for row in rows if (row.baseline_id, row.service, row.operation, row.users) not in beside]


def _settings(facts: Mapping[str, str]) -> Mapping[str, str]:
    """The facts of a service but for its product and version, which have columns of their own."""
    return {key: value for key, value in facts.items() if key not in {"product", "version"}}
