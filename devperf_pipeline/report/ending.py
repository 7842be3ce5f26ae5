"""
What does the command line say when a baseline has ended?
"""

from devperf_pipeline.report import format as show
from devperf_pipeline.report import summary
from devperf_pipeline.report.rows import picture
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.warehouse import connect


def ending(folders: Folders) -> str:
    """
    A few lines for a terminal: what was measured, what was not and why, and where to look.
    """
    con = connect(folders)
    try:
        view = picture(con, None)
    finally:
        con.close()
    lines = [""]
    for part in view.parts:
        new = [row for row in part.rows if row.is_new]
        if new and part.state == "measured":
            calls = show.count(sum(row.n for row in new))
            invalid = [row for row in new if not row.valid]
            doubt = f", {len(invalid)} not valid" if invalid else ""
            lines.append(
                f"  {part.service:<14} {show.plain(part.product or '', 44):<45} {calls:>10} calls{doubt}"
            )
    for reason in summary.missing(view):
        lines.append(f"  not measured: {show.plain(reason.replace('**', ''), 400)}")
    folder = folders.samples / f"baseline_id={view.sitting.baseline_id}"
    lines += [
        "",
        f"  report   {folders.reports / 'latest.md'}",
        f"  samples  {folder / 'samples.parquet'}",
        f"  tables   {folders.warehouse}  (any DuckDB client; for example: select * from current)",
    ]
    return "\n".join(lines)
