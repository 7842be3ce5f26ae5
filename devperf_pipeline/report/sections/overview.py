"""How fast is every service, at a glance?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import charts
from devperf_pipeline.report.markdown import sentence
from devperf_pipeline.report.rows import Part, Row, shown
from devperf_pipeline.report.section import drawn

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report


@dataclass(frozen=True, slots=True)
class Extremes:
    """The quickest and the slowest operation of a service at one user, which may be the same."""

    part: Part
    quick: Row
    slow: Row


def overview(report: "Report") -> Mapping[str, Any]:
    """The chart of every operation, and the extremes of each service."""
    chart = drawn("Latency of every operation, one user", "overview", charts.overview(report.parts))
    return {"chart": chart, "extremes": extremes(report.parts)}


def headline(report: "Report") -> Sequence[str]:
    """For each service the quickest and the slowest of its operations at one user, in one line."""
    return [sentence("quickest", one) for one in extremes(report.parts)]


def extremes(parts: Sequence[Part]) -> Sequence[Extremes]:
    """Of each service that has a valid reading of one user."""
    found: list[Extremes] = []
    for part in parts:
        rows = [row for row, _ in shown(part.rows) if row.valid and row.users == 1 and row.p50_ns]
        # The driver's readings say something else; they stand here only where there is nothing but them.
        rows = [row for row in rows if row.instrument == "engine"] or rows
        rows.sort(key=lambda row: row.p50_ns or 0)
        found += [Extremes(part, rows[0], rows[-1])] if rows else []
    return found
