"""
What does Dagster show of a service on its asset's page?
"""

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from devperf_pipeline.report import format as show
from devperf_pipeline.report import summary, tables
from devperf_pipeline.report.charts import latency_curve
from devperf_pipeline.report.rows import curves, picture
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
        inline = base64.b64encode(chart.encode()).decode()
        parts.append(f"![Percentile curves of {show.cell(part.title)}](data:image/svg+xml;base64,{inline})")
    notes = [f"- {note}" for note in tables.readings(part, 0).notes]
    if notes:
        parts.append("\n".join(["Does not count:", "", *notes]))
    return "\n\n".join(parts)


def report_panel(report: str) -> str:
    """
    A rendered report as it can be read in a dialog: without its pictures, whose files a browser does not get there.
    """
    return "\n".join(line for line in report.splitlines() if not line.startswith("!["))


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
