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
from devperf_pipeline.report.report_data import shown
from devperf_pipeline.report.section import Chart, drawn
from devperf_pipeline.report.sections import changes
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
    from devperf_pipeline.report.model import Report

_BLANK = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Section:
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
    texts = [_text(section, report, charts) for section in SECTIONS]
    return Contents(_BLANK.sub("\n\n", "\n\n".join(text for text in texts if text)) + "\n", charts)


def section(name: str, report: "Report") -> str:
    """The first section of that name as Markdown; empty where it has nothing to say."""
    found = next(section for section in SECTIONS if section.name == name)
    return _BLANK.sub("\n\n", _text(found, report, {}))


def body(name: str, report: "Report") -> str:
    """The same without its heading, for a page that has one of its own."""
    return section(name, report).partition("\n")[2].strip()


def _text(section: Section, report: "Report", charts: dict[str, Chart]) -> str:
    return write(
        f"sections/{section.name}.md.jinja",
        report=report,
        run=report.run,
        charts_shown=charts,
        folder=f"charts-{show.file_name(report.run.baseline_id)}",
        **section.data(report),
    )


def _baselines(report: "Report") -> Mapping[str, Any]:
    svg = comparison_charts.history(report.history)
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


SECTIONS: Sequence[Section] = (
    Section("opening", opening),
    Section("fastest_api", fastest_api),
    Section("worst_bottleneck", worst_bottleneck),
    Section("missing", missing),
    Section("changes", lambda report: {"section": changes.changed(report, report.changes)}),
    Section("ranking", ranking),
    Section("findings", findings),
    Section("overview", overview),
    Section("environment", environment),
    Section("how_to_read", how_to_read),
    Section("services", partial(services, role="api")),
    Section("compared", compared),
    Section("layers", layers),
    Section("memory", memory),
    Section("services", partial(services, role="database")),
    Section("services", partial(services, role="cache")),
    Section("services", partial(services, role="queue")),
    Section("services", partial(services, role="secrets")),
    Section("services", partial(services, role="")),
    Section("usage", usage),
    Section("load_tests", load_tests),
    Section("reference_tools"),
    Section("tuning", tuning),
    Section("baselines", _baselines),
    Section("drivers", drivers),
    Section("settings"),
    Section("published", published),
    Section("notes", notes),
    Section("queries", _queries),
)
