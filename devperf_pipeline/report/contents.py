"""
What stands in a report, in which order?

What a reader wants first comes first: what changed, who is fastest, what is worst; then what was found of each service.
A section's text is `templates/sections/<name>.md.jinja`; what it shows besides the report itself comes from `sections/`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import comparison_charts
from devperf_pipeline.report import format as show
from devperf_pipeline.report.markdown import write
from devperf_pipeline.report.rows import shown
from devperf_pipeline.report.section import Chart, drawn
from devperf_pipeline.report.sections.changes import changes
from devperf_pipeline.report.sections.environment import environment, how_to_read, tuning
from devperf_pipeline.report.sections.findings import findings, layers, worst_bottleneck
from devperf_pipeline.report.sections.load_tests import load_tests, longest
from devperf_pipeline.report.sections.opening import missing, opening
from devperf_pipeline.report.sections.overview import overview
from devperf_pipeline.report.sections.published import notes, published
from devperf_pipeline.report.sections.ranking import compared, fastest_api, ranking
from devperf_pipeline.report.sections.resources import memory, usage
from devperf_pipeline.report.sections.services import drivers, services
from devperf_pipeline.services import role_of
from devperf_pipeline.stack.private_folders import NAME

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report

_BLANK = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A part of a report: the name of its partial, and what it shows besides the report itself."""

    name: str
    data: "Callable[[Report], Mapping[str, Any]]" = lambda _: {}


@dataclass(frozen=True, slots=True)
class Contents:
    """A report as Markdown, and its charts in the order in which it shows them, by the link of each."""

    markdown: str
    charts: Mapping[str, Chart] = field(default_factory=dict[str, Chart])


def contents(report: "Report") -> Contents:
    """All sections that have something to say."""
    charts: dict[str, Chart] = {}
    texts = [_text(entry, report, charts) for entry in ENTRIES]
    return Contents(_BLANK.sub("\n\n", "\n\n".join(text for text in texts if text)) + "\n", charts)


def section(name: str, report: "Report") -> str:
    """The first section of that name as Markdown; empty where it has nothing to say."""
    found = next(entry for entry in ENTRIES if entry.name == name)
    return _BLANK.sub("\n\n", _text(found, report, {}))


def body(name: str, report: "Report") -> str:
    """The same without its heading, for a page that has one of its own."""
    return section(name, report).partition("\n")[2].strip()


def _text(entry: Entry, report: "Report", charts: dict[str, Chart]) -> str:
    return write(
        f"sections/{entry.name}.md.jinja",
        report=report,
        run=report.run,
        charts_shown=charts,
        folder=f"charts-{show.file_name(report.run.baseline_id)}",
        **entry.data(report),
    )


def _baselines(report: "Report") -> Mapping[str, Any]:
    svg = comparison_charts.history(report.history, report.colours)
    return {"chart": drawn("p50 over baselines, one benchmark of each service", "history", svg)}


def _queries(report: "Report") -> Mapping[str, Any]:
    """Examples for questions: a reading that counts (of an API where there is one), a load test, and a service's name."""
    rows = [row for part in report.parts for row, _ in shown(part.rows)]
    valid = [row for row in rows if row.valid]
    apis = [row for row in valid if role_of(row.service) == "api"]
    return {
        "example": next(iter(apis or valid), None),
        "sustained": next((one["benchmark"] for one in longest(report.load_tests)), None),
        # As it can be written on a command line.
        "named": next((row.service for row in rows if NAME.fullmatch(row.service)), None),
    }


ENTRIES: Sequence[Entry] = (
    Entry("opening", opening),
    Entry("fastest_api", fastest_api),
    Entry("worst_bottleneck", worst_bottleneck),
    Entry("missing", missing),
    Entry("changes", changes),
    Entry("ranking", ranking),
    Entry("findings", findings),
    Entry("overview", overview),
    Entry("environment", environment),
    Entry("how_to_read", how_to_read),
    Entry("services", partial(services, role="api")),
    Entry("compared", compared),
    Entry("layers", layers),
    Entry("memory", memory),
    Entry("services", partial(services, role="database")),
    Entry("services", partial(services, role="cache")),
    Entry("services", partial(services, role="queue")),
    Entry("services", partial(services, role="secrets")),
    Entry("services", partial(services, role="")),
    Entry("usage", usage),
    Entry("load_tests", load_tests),
    Entry("reference_tools"),
    Entry("tuning", tuning),
    Entry("baselines", _baselines),
    Entry("drivers", drivers),
    Entry("settings"),
    Entry("published", published),
    Entry("notes", notes),
    Entry("queries", _queries),
)
