"""
What stands in a report, in which order?

What a reader wants first comes first: what changed, who is fastest, what is worst; then what was found of each service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import comparison_charts, table_cells
from devperf_pipeline.report import format as show
from devperf_pipeline.report.charts import latency_curve, overview
from devperf_pipeline.report.report_data import ENOUGH_FOR_P95, ENOUGH_FOR_P99, ENOUGH_FOR_P999
from devperf_pipeline.report.section import Chart, Lines, Section
from devperf_pipeline.report.sections import (
    changes,
    findings,
    history,
    load_tests,
    published,
    ranking,
    reference_tools,
    resources,
    summary,
)
from devperf_pipeline.report.sections.services import drivers, how_to_read, services, settings

if TYPE_CHECKING:
    from devperf_pipeline.analyse.lint import Contradiction
    from devperf_pipeline.analyse.ranking import Ranking
    from devperf_pipeline.report.model import Report


_BUCKET_NS = 100_000_000
"""Shorter pieces of a load test hold too few calls for a p95."""

_BUCKETS = 60


@dataclass(frozen=True, slots=True)
class Contents:
    """The sentences that a report begins with, below its opening, its sections, and a load test's id as an example."""

    first: Sequence[str]
    sections: Sequence[Section]
    sustained: str | None


def contents(view: "Report") -> Contents:
    """Everything of a report that is more than its opening."""
    rankings, searched, tests = view.rankings, view.findings, view.load_tests
    absent = {
        "Ranking of the APIs": not rankings,
        "Memory per request": not view.memory,
        "Resource usage": not view.resources,
        "Load tests": not tests,
        "Reference tools": not view.tools,
    }

    def of(role: str) -> list[Section]:
        return services(view, role, lambda part: latency_curve(part, view.curves(part)))

    first = [ranking.winner(view, rankings, tests), findings.worst(view, searched)]
    sections = [
        changes.changed(view, view.changes),
        ranking.ranked(view, rankings, _bars(rankings)),
        findings.found(view, searched),
        _overview(view),
        Section("Environment", [*table_cells.host(view), table_cells.services(view)]),
        how_to_read(view, (str(ENOUGH_FOR_P95), str(ENOUGH_FOR_P99), f"{ENOUGH_FOR_P999:,}")),
        *of("api"),
        ranking.compared(view, rankings),
        findings.layered(view, view.layers),
        *resources.memory(view, view.memory),
        *of("database"),
        *of("cache"),
        *of("queue"),
        *of("secrets"),
        *of(""),
        *resources.usage(view, view.resources),
        *load_tests.load_tests(
            view,
            tests,
            view.knees,
            [*_sweep(tests), *_timelines(view, tests)],
        ),
        *reference_tools.beside(view, view.tools),
        *history.tuning(view),
        history.past(view.baselines, _history(view)),
        *drivers(view),
        *settings(view),
        published.publication(view, view.cells),
        _notes(
            view,
            [
                *(
                    f"{title}: this baseline has no rows for it."
                    for title, missing in absent.items()
                    if missing
                ),
                *published.contradicted(view.run.baseline_id, _contradictions(view)),
            ],
        ),
    ]
    return Contents(
        [sentence for sentence in first if sentence],
        [section for section in sections if section is not None],
        next((one["benchmark"] for one in load_tests.longest(tests)), None),
    )


def _overview(view: "Report") -> Section | None:
    svg = overview(view.parts)
    if svg is None:
        return None
    about = "Medians of one user, the quickest and the slowest operation of each service:"
    chart = Chart("Latency of every operation, one user", "overview", svg)
    return Section("At a glance", [chart, about, Lines(summary.headline(view))])


def _bars(rankings: "Sequence[Ranking]") -> Chart | None:
    one = ranking.headline(rankings)
    svg = comparison_charts.ranking_bars(one.places) if one else None
    return (
        Chart(f"p95 of {show.cell(one.route)}, each implementation", "ranking", svg) if one and svg else None
    )


def _sweep(tests: Sequence[Mapping[str, Any]]) -> list[Chart]:
    svg = comparison_charts.sweep(tests)
    return [Chart("Throughput and p95, from one user to most", "sweep", svg)] if svg else []


def _timelines(view: "Report", tests: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """The longest load of each service."""
    charts: list[Chart] = []
    for one in load_tests.longest(tests):
        service = one["service"]
        where = {"benchmark": one["benchmark"]}
        bucket_ns = max(_BUCKET_NS, one["elapsed_ns"] // _BUCKETS)
        svg = comparison_charts.timeline(
            service,
            one["users"],
            load_tests.before_the_end(
                view.asked("report_timeline_latency", **where, bucket_ns=bucket_ns), one, bucket_ns
            ),
            view.asked("report_timeline_use", **where, service=service),
        )
        if svg:
            about = f"Latency and use of {show.cell(view.title_of(service))} over its load test"
            charts.append(Chart(about, f"load-{service}", svg))
    return charts


def _history(view: "Report") -> Chart | None:
    svg = comparison_charts.history(view.history)
    return Chart("p50 over baselines, one benchmark of each service", "history", svg) if svg else None


def _contradictions(view: "Report") -> "list[Contradiction]":
    """Figures that contradict each other; published ones only where something of the stack is in what is published."""
    return [one for one in view.contradictions if not (one.published and published.unheard_of(view))]


def _notes(view: "Report", said: Sequence[str]) -> Section:
    """What is not here, and why; where figures contradict each other."""
    points = [
        *said,
        *(
            f"{show.cell(part.title)}: {show.prose(part.reason, summary.ALL)}"
            for part in view.parts
            if part.state == "measured" and part.reason
        ),
        "Load goes to loopback only: a network between client and servers is in none of these numbers.",
    ]
    return Section("Notes", [Lines(points)])
