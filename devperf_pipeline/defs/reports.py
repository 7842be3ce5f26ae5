"""What happens when the report is materialised? It is rendered from the tables, and a page shows it."""

from typing import Any

import dagster as dg

from devperf_pipeline.defs import keys
from devperf_pipeline.defs.project import Project
from devperf_pipeline.errors import DevperfError
from devperf_pipeline.report.render import render
from devperf_pipeline.report.service_pages import report_panel, report_picture
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.warehouse import connect


@dg.asset(
    key=keys.REPORT,
    group_name="reports",
    deps=list(keys.TABLES),
    kinds={"markdown", "duckdb"},
)
def baseline_report(project: Project) -> dg.MaterializeResult:
    """The baseline report: what was measured, on what, how fast, how sure, and what could not be measured."""
    try:
        return dg.MaterializeResult(metadata=report_metadata(project.folders))
    except DevperfError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def report_metadata(folders: Folders) -> dict[str, Any]:
    """Render the report of the newest baseline; what its page shows."""
    rendered = render(folders)
    con = connect(folders)
    try:
        seen = report_picture(con, None)
    finally:
        con.close()
    return {
        "report": dg.MetadataValue.path(str(rendered.report)),
        "latest": dg.MetadataValue.path(str(rendered.latest)),
        "html": dg.MetadataValue.path(str(rendered.latest.with_suffix(".html"))),
        "charts": len(rendered.charts),
        "picture": dg.MetadataValue.md(seen),
        "text": dg.MetadataValue.md(report_panel(rendered.report.read_text(encoding="utf-8"))),
    }
