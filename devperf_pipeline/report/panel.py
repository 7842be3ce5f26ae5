"""
What does Dagster show of a service on its asset's page?
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from devperf_pipeline.report import format as show
from devperf_pipeline.report import loads, summary, tables
from devperf_pipeline.report.charts import latency_curve, overview
from devperf_pipeline.report.comparing_charts import history, sweep
from devperf_pipeline.report.drawing import inline
from devperf_pipeline.report.rows import asked, curves, picture
from devperf_pipeline.report.view import Part

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection


def service_panel(con: "Connection", baseline_id: str | None, service: str) -> str:
    """
    A sentence, the chart as an inline picture and what does not count, as Markdown for a dialog 520 pixels wide.

    It stands beside one materialisation, so it shows what that baseline measured and nothing older.
    """
    part = _part(con, baseline_id, service)
    if part is None:
        return f"**{show.cell(service)}** has no measurement yet."
    if not part.new:
        return summary.about(part)
    part = replace(part, rows=part.new)
    parts = [summary.about(part)]
    chart = latency_curve(part, curves(con, part), small=True)
    if chart:
        parts.append(inline(f"Percentile curves of {show.cell(part.title)}", chart))
    notes = [f"- {note}" for note in tables.readings(part, 0).notes]
    if notes:
        parts.append("\n".join(["Does not count:", "", *notes]))
    return "\n\n".join(parts)


def report_panel(report: str) -> str:
    """
    A rendered report as it can be read in a dialog: without its pictures, whose files a browser does not get there.
    """
    return "\n".join(line for line in report.splitlines() if not line.startswith("!["))


def report_picture(con: "Connection", baseline_id: str | None) -> str:
    """
    Every operation of every service at one user, as an inline picture for the same dialog.
    """
    chart = overview(picture(con, baseline_id).parts, small=True)
    return (
        inline("Latency of every operation, one user", chart) if chart else "Nothing valid was measured yet."
    )


def table_panel(con: "Connection", table: str) -> str:
    """
    What the page of a table shows of its newest rows: baselines as a list, percentiles as medians and their
    history, load tests as their sweeps, knees in words.

    Empty for a table of which there is nothing to see.
    """
    if not asked(con, "report_baseline", baseline_id=None):
        return "No baseline was measured yet."
    view = picture(con, None)
    id_ = view.sitting.baseline_id
    match table:
        case "baselines":
            rows = asked(con, "report_baselines", baseline_id=id_)
            return "\n".join(
                f"- {show.cell(row['baseline_id'])}: {show.moment(row['began_at_ns'])}, {show.cell(row['profile'])}, "
                f"{show.cell(row['state'])}, {show.count(row['samples'])} calls, {show.count(row['invalid'])} of "
                f"{show.count(row['benchmarks'])} benchmarks do not count"
                for row in rows
            )
        case "percentiles":
            medians = "\n".join(f"- {line}" for line in summary.headline(view))
            chart = history(asked(con, "report_history", baseline_id=id_), small=True)
            return f"{medians}\n\n{inline('p50 over baselines', chart)}" if chart else medians
        case "load_tests":
            chart = sweep(asked(con, "report_load_tests", baseline_id=id_), small=True)
            return inline("Throughput and p95, from one user to most", chart) if chart else ""
        case "knees":
            knees = asked(con, "report_knees", baseline_id=id_)
            return "\n".join(f"- {loads.knee(view, one)}" for one in knees)
        case _:
            return ""


def service_rows(
    con: "Connection", baseline_id: str | None, service: str
) -> list[dict[str, str | int | float | None]]:
    """
    What this baseline measured of one service, as the report has it, with few columns and rounded numbers.
    """
    part = _part(con, baseline_id, service)
    return tables.records(part.new) if part else []


def _part(con: "Connection", baseline_id: str | None, service: str) -> Part | None:
    return next((part for part in picture(con, baseline_id).parts if part.service == service), None)
