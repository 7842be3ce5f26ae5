"""What does Dagster show of a service on its asset's page?"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from devperf_pipeline.report import format as show
from devperf_pipeline.report import table_cells
from devperf_pipeline.report.chart_style import inline
from devperf_pipeline.report.charts import latency_curve, overview
from devperf_pipeline.report.comparison_charts import history, sweep
from devperf_pipeline.report.markdown import sentence
from devperf_pipeline.report.queries import asked, curves, picture
from devperf_pipeline.report.report_data import Part
from devperf_pipeline.report.section import Table, columns
from devperf_pipeline.report.sections import load_tests, resources
from devperf_pipeline.report.sections import overview as glance

if TYPE_CHECKING:
    from devperf_pipeline.report.model import Report as Picture
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
        return sentence("about", part)
    part = replace(part, rows=part.new)
    parts = [sentence("about", part)]
    chart = latency_curve(part, curves(con, part), small=True)
    if chart:
        parts.append(inline(f"Percentile curves of {show.cell(part.title)}", chart))
    notes = [f"- {note}" for note in table_cells.readings(part, 0).notes]
    if notes:
        parts.append("\n".join(["Does not count:", "", *notes]))
    return "\n\n".join(parts)


def report_panel(report: str) -> str:
    """A rendered report as it can be read in a dialog: without its pictures, whose files a browser does not get there."""
    return "\n".join(line for line in report.splitlines() if not line.startswith("!["))


def report_picture(con: "Connection", baseline_id: str | None) -> str:
    """Every operation of every service at one user, as an inline picture for the same dialog."""
    chart = overview(picture(con, baseline_id).parts, small=True)
    return (
        inline("Latency of every operation, one user", chart) if chart else "Nothing valid was measured yet."
    )


def table_panel(con: "Connection", table: str) -> str:
    """
    What the page of a table shows of its newest baseline: as a picture where there is one, or a table narrow enough for
    a dialog.

    Empty for a table of which there is nothing to see.
    """
    if not asked(con, "report_baseline", baseline_id=None, stack=None):
        return "No baseline was measured yet."
    return _PANELS[table](con, picture(con, None))


def _baselines(con: "Connection", view: "Picture") -> str:
    return "\n".join(
        f"- {show.cell(row['baseline_id'])}: {show.moment(row['began_at_ns'])}, {show.cell(row['profile'])}, "
        f"{show.cell(row['state'])}, {show.count(row['samples'])} calls, {show.count(row['invalid'])} of "
        f"{show.count(row['benchmarks'])} benchmarks do not count"
        for row in asked(con, "report_baselines", baseline_id=view.run.baseline_id)
    )


def _percentiles(con: "Connection", view: "Picture") -> str:
    medians = "\n".join(f"- {line}" for line in glance.headline(view))
    chart = history(asked(con, "report_history", baseline_id=view.run.baseline_id), small=True)
    return f"{medians}\n\n{inline('p50 over baselines', chart)}" if chart else medians


def _load_tests(con: "Connection", view: "Picture") -> str:
    chart = sweep(asked(con, "report_load_tests", baseline_id=view.run.baseline_id), small=True)
    return inline("Throughput and p95, from one user to most", chart) if chart else ""


def _knees(con: "Connection", view: "Picture") -> str:
    knees = asked(con, "report_knees", baseline_id=view.run.baseline_id)
    return "\n".join(f"- {load_tests.knee(view, one)}" for one in knees)


def _resources(con: "Connection", view: "Picture") -> str:
    idle = resources.at_rest(view, asked(con, "report_resources", baseline_id=view.run.baseline_id))
    return f"At rest, medians over the readings:\n\n{_markdown(idle)}" if idle.rows else ""


def _memory(con: "Connection", view: "Picture") -> str:
    """What one more request under way costs, a line each service."""
    return "\n".join(
        f"- {show.cell(view.title_of(row['service']))}: {resources.slope(row)}; {show.prose(row['verdict'] or show.DASH)}"
        for row in resources.best(asked(con, "report_memory", baseline_id=view.run.baseline_id))
    )


def _rounds(con: "Connection", view: "Picture") -> str:
    """How many rounds each service has, how long they were, and how many do not count or were disturbed."""
    head, rule = columns("service", "benchmarks", "rounds", "each", "do not count", "others were busy")
    lines = [
        [
            show.cell(view.title_of(row["service"])),
            *(show.count(row[name]) for name in ("benchmarks", "rounds")),
            show.duration(round(row["elapsed_ns"])),
            *(show.count(row[name]) for name in ("problems", "busy")),
        ]
        for row in asked(con, "report_rounds", baseline_id=view.run.baseline_id)
    ]
    return _markdown(Table(head, rule, lines))


def _markdown(table: Table) -> str:
    """A table as its lines are written."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (table.head, table.rule, *table.rows))


_PANELS: Mapping[str, Callable[["Connection", "Picture"], str]] = {
    "baselines": _baselines,
    "rounds": _rounds,
    "percentiles": _percentiles,
    "load_tests": _load_tests,
    "knees": _knees,
    "resources": _resources,
    "memory_per_request": _memory,
}


def service_rows(
    con: "Connection", baseline_id: str | None, service: str
) -> list[dict[str, str | int | float | None]]:
    """What this baseline measured of one service, as the report has it, with few columns and rounded numbers."""
    part = _part(con, baseline_id, service)
    return table_cells.records(part.new) if part else []


def _part(con: "Connection", baseline_id: str | None, service: str) -> Part | None:
    return next((part for part in picture(con, baseline_id).parts if part.service == service), None)
