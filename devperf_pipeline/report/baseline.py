"""
How does a baseline become a page that people read?
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.report import format as show
from devperf_pipeline.report import summary, tables
from devperf_pipeline.report.charts import latency_curve, overview
from devperf_pipeline.report.ranking import ranked
from devperf_pipeline.report.rows import curves, picture
from devperf_pipeline.report.view import (
    ENOUGH_FOR_P95,
    ENOUGH_FOR_P99,
    ENOUGH_FOR_P999,
    Part,
    Picture,
    shown,
)
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.warehouse import connect

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection


@dataclass(frozen=True, slots=True)
class Rendered:
    """
    The files of a report. `latest` always shows the newest baseline, whichever was rendered.
    """

    report: Path
    latest: Path
    charts: list[Path]


def render(folders: Folders, baseline_id: str | None = None) -> Rendered:
    """
    Write the report of a baseline (None: the newest) and its charts; the same data gives the same bytes.

    An older baseline is shown as the stack stood then, and leaves `latest.md` alone.

    Raises:
        StoreError: there is no such baseline, or the warehouse cannot be read.
        ConfigurationError: the reports' folder cannot be written.

    """
    con = connect(folders)
    try:
        view = picture(con, baseline_id)
        latest = folders.reports / "latest.md"
        rendered = _write_all(folders, con, view)
        if view.sitting.newest:
            _write(latest, rendered.report.read_text("utf-8"))
        elif not latest.exists():
            _write(latest, _write_all(folders, con, picture(con)).report.read_text("utf-8"))
        return rendered
    finally:
        con.close()


def _write_all(folders: Folders, con: "Connection", view: Picture) -> Rendered:
    """
    Charts first: a page never names a picture that is not there yet.
    """
    name = show.file_name(view.sitting.baseline_id)
    report = folders.reports / f"baseline-{name}.md"
    drawings = {"overview": overview(view.parts)}
    for part in view.parts:
        drawings[f"service {part.service}"] = latency_curve(part, curves(con, part))
    links: dict[str, str | None] = {}
    for drawing, svg in drawings.items():
        file = f"charts-{name}/{show.file_name(drawing.removeprefix('service '))}.svg"
        links[drawing] = file if svg else None
        if svg:
            _write(folders.reports / file, svg)
    _write(report, _page(view, links, folders.warehouse.relative_to(folders.root)))
    return Rendered(
        report, folders.reports / "latest.md", [folders.reports / link for link in links.values() if link]
    )


def _page(view: Picture, links: dict[str, str | None], warehouse: Path) -> str:
    environment = Environment(
        loader=FunctionLoader(
            lambda name: (files("devperf_pipeline.report") / "templates" / name).read_text("utf-8")
        ),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML; format.cell has made every word harmless
    )
    now_ns = tables.end_ns(view)
    return environment.get_template("baseline.md.jinja").render(
        name=show.cell(view.sitting.baseline_id),
        opening=summary.opening(view),
        missing=summary.missing(view),
        headline=summary.headline(view),
        placements=summary.placements(view),
        overview=links["overview"],
        enough={"p95": ENOUGH_FOR_P95, "p99": ENOUGH_FOR_P99, "p999": f"{ENOUGH_FOR_P999:,}"},
        host=tables.host(view),
        services=tables.services(view),
        ranking=ranked(view.rankings),
        sections=[_section(part, links[f"service {part.service}"], now_ns) for part in view.parts],
        warehouse=show.sql(warehouse)[1:-1],
        example=_example(view),
    )


def _section(part: Part, chart: str | None, now_ns: int) -> dict[str, Any]:
    return {
        "title": show.cell(part.title),
        "about": summary.about(part),
        "settings": summary.settings(part),
        "chart": chart,
        "readings": tables.readings(part, now_ns),
    }


def _example(view: Picture) -> dict[str, str] | None:
    """
    The first reading of the first table that counts, as literals of SQL; None where nothing counts.
    """
    for part in view.parts:
        for row, _ in shown(part.rows):
            if row.valid:
                return {"baseline_id": show.sql(row.baseline_id), "benchmark": show.sql(row.benchmark)}
    return None


def _write(path: Path, text: str) -> None:
    """
    Whole or not at all: beside, then renamed over.
    """
    beside = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"The report could not be written to {path}: {error.strerror}. Make {path.parent} a folder that we may write to."
        ) from error
