"""How does a baseline become a page that people read?"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.report import format as show
from devperf_pipeline.report.contents import Contents, contents
from devperf_pipeline.report.html_page import page
from devperf_pipeline.report.model import Report, load, read
from devperf_pipeline.report.report_data import shown
from devperf_pipeline.report.section import Chart
from devperf_pipeline.report.sections import summary
from devperf_pipeline.services import role_of
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.private_folders import NAME


@dataclass(frozen=True, slots=True)
class Rendered:
    """
    The files of a report, each page as Markdown and, beside it, as HTML of the same name that needs nothing else.

    `latest` shows the newest baseline of the stack that was rendered last.
    """

    report: Path
    latest: Path
    charts: list[Path]


def render(folders: Folders, baseline_id: str | None = None, stack: str | None = None) -> Rendered:
    """
    Write the report of a baseline, or of the newest one (of `stack`, or of all that were measured here).

    Raises:
        StoreError: there is no such baseline, or the warehouse cannot be read.
        ConfigurationError: the reports' folder cannot be written.

    """
    with load(folders, baseline_id, stack) as report:
        return write_pages(folders, report)


def write_pages(folders: Folders, report: Report) -> Rendered:
    """
    Write a report and its charts; the same data gives the same bytes.

    A baseline that is not the newest of its stack is shown as the stack stood then, and leaves `latest.md` alone.

    Raises:
        StoreError: the warehouse cannot be read.
        ConfigurationError: the reports' folder cannot be written.

    """
    latest = folders.reports / "latest.md"
    rendered = _write_all(folders, report)
    newest = rendered
    if not report.run.newest:
        newest = None if latest.exists() else _write_all(folders, read(report.con))
    if newest:
        for suffix in (".md", ".html"):
            _write(latest.with_suffix(suffix), newest.report.with_suffix(suffix).read_text("utf-8"))
    return rendered


def _write_all(folders: Folders, view: Report) -> Rendered:
    """Charts first: a page never names a picture that is not there yet."""
    name = show.file_name(view.run.baseline_id)
    inside = contents(view)
    charts = [block for section in inside.sections for block in section.blocks if isinstance(block, Chart)]
    links = {chart.name: f"charts-{name}/{show.file_name(chart.name)}.svg" for chart in charts}
    for chart in charts:
        _write(folders.reports / links[chart.name], chart.svg)
    report = folders.reports / f"baseline-{name}.md"
    markdown = _markdown(view, inside, links, folders.warehouse.relative_to(folders.root))
    _write(report, markdown)
    _write(report.with_suffix(".html"), page(markdown, {links[chart.name]: chart.svg for chart in charts}))
    return Rendered(
        report, folders.reports / "latest.md", [folders.reports / link for link in links.values()]
    )


def _markdown(view: Report, inside: Contents, links: Mapping[str, str], warehouse: Path) -> str:
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
    return environment.get_template("baseline.md.jinja").render(
        name=show.cell(view.run.baseline_id),
        baseline_id=show.sql(view.run.baseline_id),
        opening=summary.opening(view),
        first=inside.first,
        missing=summary.missing(view),
        sections=inside.sections,
        links=links,
        warehouse=show.sql(warehouse)[1:-1],
        example=_example(view),
        named=_named(view),
        sustained=show.sql(inside.sustained) if inside.sustained else None,
    )


def _example(view: Report) -> dict[str, str] | None:
    """The first reading of an API that counts, or else of any service, as literals of SQL; None where nothing counts."""
    rows = [row for part in view.parts for row, _ in shown(part.rows) if row.valid]
    apis = [row for row in rows if role_of(row.service) == "api"]
    row = next(iter(apis or rows), None)
    return row and {"baseline_id": show.sql(row.baseline_id), "benchmark": show.sql(row.benchmark)}


def _named(view: Report) -> str | None:
    """A service of which there is something to list, as it can be written on a command line; None where none can."""
    names = [row.service for part in view.parts for row, _ in shown(part.rows)]
    return next((name for name in names if NAME.fullmatch(name)), None)


def _write(path: Path, text: str) -> None:
    """Whole or not at all: beside, then renamed over."""
    beside = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"The report could not be written to {path}: {error.strerror}. Make {path.parent} a folder that we may write to."
        ) from error
