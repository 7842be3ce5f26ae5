"""What does Dagster show of a service, of what changed, of what was found and of a report?"""

from dataclasses import replace
from typing import TYPE_CHECKING

from devperf_pipeline.model import Stage
from devperf_pipeline.report import format as show
from devperf_pipeline.report import table_cells
from devperf_pipeline.report.chart_style import inline
from devperf_pipeline.report.charts import latency_curve, overview
from devperf_pipeline.report.comparison_charts import history
from devperf_pipeline.report.contents import body
from devperf_pipeline.report.markdown import sentence
from devperf_pipeline.report.sections import overview as glance
from devperf_pipeline.report.stage_pages import Page, page, rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devperf_pipeline.report.loaded import Report
    from devperf_pipeline.report.rows import Part


def service_pages(view: "Report") -> dict[str, dict[Stage, Page]]:
    """
    What the page of each service's percentiles has: of each stage that anybody measured what its last baseline found.

    Numbers that are drawn over time are there only where the newest baseline has measured them.
    """
    pages: dict[str, dict[Stage, Page]] = {}
    for row in view.asked("report_last_measured"):
        service, stage, baseline_id = row["service"], row["stage"], row["baseline_id"]
        made = (
            _samples(view, service, baseline_id)
            if stage == "samples"
            else page(view, baseline_id, stage, service)
        )
        new = baseline_id == view.run.baseline_id
        pages.setdefault(service, {})[stage] = (
            made if new else replace(made, trend={}, note=f"measured in {baseline_id}")
        )
    return pages


def _samples(view: "Report", service: str, baseline_id: str) -> Page:
    """A sentence, the chart as an inline picture and what does not count, for a dialog 520 pixels wide."""
    part = view.part(service)
    if part is None:
        return Page()
    last = replace(part, rows=[row for row in part.rows if row.baseline_id == baseline_id])
    parts = [sentence("about", part)]
    chart = latency_curve(last, view.curves(last), small=True)
    if chart:
        parts.append(inline(f"Percentile curves of {show.cell(part.title)}", chart))
    notes = [f"- {note}" for note in table_cells.readings(last, 0).notes]
    if notes:
        parts.append("\n".join(["Does not count:", "", *notes]))
    table = rounds(view, baseline_id, service)
    if table:
        parts.append(table.markdown)
    return Page(
        rows=table_cells.records(last.rows), trend=_trend(part), panel="\n\n".join(filter(None, parts))
    )


def _trend(part: "Part") -> dict[str, float]:
    """The few numbers that are drawn over time: percentiles of the engine's valid rows with one user, in milliseconds."""
    return {
        f"{quantile} ms, {show.plain(row.title, 60)}": float(show.number(value / 1e6))
        for row in part.new
        if row.instrument == "engine" and row.users == 1 and row.valid and not row.is_floor
        for quantile, value in (
            ("p50", row.p50_ns),
            ("p95", row.trusted_p95_ns),
            ("p99", row.trusted_p99_ns),
        )
        if value is not None
    }


def comparison_page(view: "Report") -> Page:
    """What changed since the reference, the stack's baselines, and how p50 went over them."""
    found = view.changes
    chart = history(view.history, small=True)
    baselines = [
        f"{show.cell(row['baseline_id'])}: {show.moment(row['began_at_ns'])}, {show.cell(row['profile'])}, "
        f"{show.cell(row['state'])}, {show.count(row['samples'])} calls, {show.count(row['invalid'])} of "
        f"{show.count(row['benchmarks'])} benchmarks do not count"
        for row in view.baselines
    ]
    return Page(
        rows=[
            {
                "service": one.service,
                "operation": show.plain(one.title, 60),
                "benchmark": one.benchmark,
                "metric": one.metric,
                "ratio": None if one.ratio is None else float(show.number(one.ratio)),
                "verdict": one.verdict,
            }
            for one in (found.rows if found else ())
            if one.verdict in {"slower", "faster"}
        ],
        panel="\n\n".join(
            [
                body("changes", view),
                *([inline("p50 over baselines", chart)] if chart else []),
                "Medians of one user, the quickest and the slowest operation of each service:",
                *_points(glance.headline(view)),
                "Baselines:",
                *_points(baselines),
            ]
        ),
    )


def findings_page(view: "Report") -> Page:
    """The bottlenecks and costs that are open, and all that was searched for."""
    return Page(
        rows=[
            {
                "finding": show.plain(one.title, 80),
                "kind": one.kind,
                "service": one.service,
                "operation": show.plain(one.operation, 60),
                "users": one.users,
                "costs ms a call": float(show.number(one.impact_ns / 1e6)),
                "status": one.status,
                "remedy": show.plain(one.remedy, 200),
            }
            for one in view.findings
            if one.status in {"open", "improved", "optimised"}
        ],
        panel=body("findings", view) or "Nothing could be searched for.",
    )


def report_panel(report: str) -> str:
    """A rendered report as it can be read in a dialog: without its pictures, whose files a browser does not get there."""
    return "\n".join(line for line in report.splitlines() if not line.startswith("!["))


def report_picture(view: "Report") -> str:
    """Every operation of every service at one user, as an inline picture for the same dialog."""
    chart = overview(view.parts, small=True)
    return (
        inline("Latency of every operation, one user", chart) if chart else "Nothing valid was measured yet."
    )


def _points(lines: "Sequence[str]") -> list[str]:
    """A list in Markdown, one point each; nothing of nothing."""
    return ["\n".join(f"- {line}" for line in lines)] if lines else []
