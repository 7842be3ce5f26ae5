"""What does a report show of each service, and of its driver?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import charts
from devperf_pipeline.report.rows import Part, Row, shown
from devperf_pipeline.report.section import Chart, drawn
from devperf_pipeline.report.sections.environment import Placement, placements
from devperf_pipeline.report.table_cells import Readings, end_ns, readings
from devperf_pipeline.services import role_of

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report

GROUPS = {
    "api": "API response times",
    "database": "Databases",
    "cache": "Redis, one node and cluster",
    "queue": "Message queue",
    "secrets": "Secrets",
    "": "Other services",
}
"""Parts of the report by the role of a service."""

_DEAREST = 3
"""So many operations are named that the driver costs most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service with its tables, its chart and where client and servers ran."""

    part: Part
    readings: Readings
    chart: Chart | None
    places: Sequence[Placement]


def services(report: "Report", role: str) -> Mapping[str, Any]:
    """All services of one role."""
    chosen = [part for part in report.parts if _role(part) == role]
    return {"title": GROUPS[role], "services": [_service(report, part) for part in chosen]}


def drivers(report: "Report") -> Mapping[str, Any]:
    """What the drivers measured beside the engine; where that costs most, and where it seems to cost less than nothing."""
    pairs = [
        (part, row, driver)
        for part in report.parts
        for row, driver in shown(part.rows)
        if driver and row.p50_ns and driver.p50_ns
    ]
    dearest = sorted(pairs, key=_cost_ns, reverse=True)[:_DEAREST]
    now_ns = end_ns(report)
    tables = [(part, readings(part, now_ns)) for part in report.parts]
    return {
        "tables": [(part, found) for part, found in tables if found.driver],
        "dearest": [pair for pair in dearest if _cost_ns(pair) > 0],
        "quicker": [pair for pair in pairs if _cost_ns(pair) < 0],
    }


def _service(report: "Report", part: Part) -> Service:
    svg = charts.latency_curve(part, report.curves(part))
    return Service(
        part=part,
        readings=readings(part, end_ns(report)),
        chart=drawn(f"Percentile curves of {part.title}", part.service, svg),
        places=placements((row.placement, row.users) for row, _ in shown(part.rows)),
    )


def _role(part: Part) -> str:
    role = role_of(part.service)
    return role if role in GROUPS else ""


def _cost_ns(pair: tuple[Part, Row, Row]) -> int:
    """How much longer the driver takes than the engine."""
    _, engine, driver = pair
    return (driver.p50_ns or 0) - (engine.p50_ns or 0)
