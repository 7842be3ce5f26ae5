"""How does a baseline become a page that people read?"""

from dataclasses import dataclass
from pathlib import Path

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.report import format as show
from devperf_pipeline.report.contents import contents
from devperf_pipeline.report.html_page import page
from devperf_pipeline.report.loaded import Report, load, read
from devperf_pipeline.stack.folders import Folders


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


def _write_all(folders: Folders, report: Report) -> Rendered:
    """Charts first: a page never names a picture that is not there yet."""
    inside = contents(report)
    for link, chart in inside.charts.items():
        _write(folders.reports / link, chart.svg)
    file = folders.reports / f"baseline-{show.file_name(report.run.baseline_id)}.md"
    _write(file, inside.markdown)
    pictures = {link: chart.svg for link, chart in inside.charts.items()}
    _write(file.with_suffix(".html"), page(inside.markdown, pictures))
    return Rendered(file, folders.reports / "latest.md", [folders.reports / link for link in inside.charts])


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
