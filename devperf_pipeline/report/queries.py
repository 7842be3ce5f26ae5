"""Which rows does a report show? The only place of `report/` that asks the warehouse anything."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from devperf_pipeline.analyse.judgements import rankings
from devperf_pipeline.errors import StoreError
from devperf_pipeline.report.report_data import Part, Picture, Row, Run, shown
from devperf_pipeline.services import place_of
from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection

_OPTIONAL = ("state", "reason", "product", "version", "seen_in", "last_reason")
"""What is unknown of a service that only has rows."""


def picture(con: "Connection", baseline_id: str | None = None) -> Picture:
    """
    The stack as it stood at the end of that baseline (None: the newest).

    Services stand in the order of the catalogue, those it does not know at the end.

    Raises:
        StoreError: no baseline of that id, or none at all.

    """
    run = _run(con, baseline_id)
    rows = _answers(con, [Row(**row) for row in asked(con, "report_rows", baseline_id=run.baseline_id)])
    services = {row["service"]: row for row in asked(con, "report_services", baseline_id=run.baseline_id)}
    names = sorted(services.keys() | {row.service for row in rows}, key=place_of)
    facts = {name: _facts(con, service.get("seen_in")) for name, service in services.items()}
    nothing: dict[str, Any] = {"asked": False, **dict.fromkeys(_OPTIONAL)}
    return Picture(
        run=run,
        host=_facts(con, run.baseline_id).get("host", {}),
        parts=[
            Part(
                **{**nothing, **services.get(name, {}), "service": name},
                settings=_settings(facts.get(name, {}).get(name, {})),
                rows=[row for row in rows if row.service == name],
            )
            for name in names
        ],
        rankings=rankings(con, run.baseline_id),
    )


def curves(con: "Connection", part: Part) -> dict[tuple[str, str], list[tuple[float, int]]]:
    """The percentile curves of what a picture shows, from the raw samples, keyed by baseline and benchmark."""
    wanted: dict[str, list[str]] = {}
    for row, _ in shown(part.rows):
        if row.valid:
            wanted.setdefault(row.baseline_id, []).append(row.benchmark)
    found: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for baseline_id, benchmarks in wanted.items():
        for point in asked(con, "report_curve", baseline_id=baseline_id, benchmarks=benchmarks):
            key = (baseline_id, point["benchmark"])
            found.setdefault(key, []).append((float(point["share"]), int(point["latency_ns"])))
    return found


def _answers(con: "Connection", rows: list[Row]) -> list[Row]:
    """One answer to each question: without what the engine measured beside a tool only where a load test asked the same."""
    if not (has(con, "stated") and has(con, "load_tests")):
        return rows
    names = ("baseline_id", "service", "operation", "users")
    beside = {tuple(row[name] for name in names) for row in asked(con, "report_beside_tools")}
    return [row for row in rows if (row.baseline_id, row.service, row.operation, row.users) not in beside]


def _run(con: "Connection", baseline_id: str | None) -> Run:
    found = asked(con, "report_baseline", baseline_id=baseline_id)
    if found:
        return Run(**found[0])
    if baseline_id is None:
        raise StoreError(
            "A report needs a baseline, and the warehouse holds none. Measure one first: make baseline"
        )
    raise StoreError(
        f"No baseline is called {baseline_id!r}. The table `baselines` of the warehouse lists all there are."
    )


def _facts(con: "Connection", baseline_id: str | None) -> dict[str, dict[str, str]]:
    """What was found in a baseline: service (or "host") to its facts."""
    facts: dict[str, dict[str, str]] = {}
    if baseline_id is not None:
        for row in asked(con, "report_infrastructure", baseline_id=baseline_id):
            facts.setdefault(row["service"], {})[row["key"]] = row["value"]
    return facts


def _settings(facts: Mapping[str, str]) -> dict[str, str]:
    """The facts of a service but for its product and version, which have columns of their own."""
    return {key: value for key, value in facts.items() if key not in {"product", "version"}}


def optional(con: "Connection", table: str, name: str, **parameters: object) -> list[dict[str, Any]]:
    """The same of a table that a warehouse of before may not have: no rows then."""
    return asked(con, name, **parameters) if has(con, table) else []


def has(con: "Connection", table: str) -> bool:
    """Whether the warehouse has that table or view: one of before may not."""
    return any(row["name"] == table for row in asked(con, "report_relations"))


def asked(con: "Connection", name: str, **parameters: object) -> list[dict[str, Any]]:
    """Rows of `sql/<name>.sql`, whose columns have the types that the statement gives them."""
    return cast("list[dict[str, Any]]", query(con, name, **parameters))
