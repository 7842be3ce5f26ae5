"""
What stands in a report, in which order?

What a reader wants first comes first: what changed, who is fastest, what is worst; then what was found of each service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devperf_pipeline.analyse.judgements import Contradiction, contradictions, layers
from devperf_pipeline.analyse.judgements import changes as changes_of
from devperf_pipeline.analyse.judgements import findings as findings_of
from devperf_pipeline.report import comparison_charts, table_cells
from devperf_pipeline.report import format as show
from devperf_pipeline.report.charts import latency_curve, overview
from devperf_pipeline.report.coverage import cells
from devperf_pipeline.report.queries import asked, curves, has, optional
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
    from devperf_pipeline.analyse.judgements import Ranking
    from devperf_pipeline.report.report_data import Picture
    from devperf_pipeline.store.warehouse import Connection


_BUCKET_NS = 100_000_000
"""Shorter pieces of a load test hold too few calls for a p95."""

_BUCKETS = 60


@dataclass(frozen=True, slots=True)
class Contents:
    """The sentences that a report begins with, below its opening, its sections, and a load test's id as an example."""

    first: Sequence[str]
    sections: Sequence[Section]
    sustained: str | None


def contents(con: "Connection", view: "Picture") -> Contents:
    """Everything of a report that is more than its opening."""
    id_ = view.run.baseline_id
    rankings = view.rankings
    searched = findings_of(con, id_)
    tests = optional(con, "load_tests", "report_load_tests", baseline_id=id_)
    used = optional(con, "resources", "report_resources", baseline_id=id_)
    held = optional(con, "memory_per_request", "report_memory", baseline_id=id_)
    tools = optional(con, "agreements", "report_agreements", baseline_id=id_)
    absent = {
        "Ranking of the APIs": not rankings,
        "Memory per request": not held,
        "Resource usage": not used,
        "Load tests": not tests,
        "Reference tools": not tools,
    }

    def of(role: str) -> list[Section]:
        return services(view, role, lambda part: latency_curve(part, curves(con, part)))

    first = [ranking.winner(view, rankings, tests), findings.worst(view, searched)]
    sections = [
        changes.changed(view, changes_of(con, id_)),
        ranking.ranked(view, rankings, _bars(rankings)),
        findings.found(view, searched),
        _overview(view),
        Section("Environment", [*table_cells.host(view), table_cells.services(view)]),
        how_to_read(view, (str(ENOUGH_FOR_P95), str(ENOUGH_FOR_P99), f"{ENOUGH_FOR_P999:,}")),
        *of("api"),
        ranking.compared(view, rankings),
        findings.layered(view, layers(con, id_)),
        *resources.memory(view, held),
        *of("database"),
        *of("cache"),
        *of("queue"),
        *of("secrets"),
        *of(""),
        *resources.usage(view, used),
        *load_tests.load_tests(
            view,
            tests,
            optional(con, "knees", "report_knees", baseline_id=id_),
            [*_sweep(tests), *_timelines(con, view, tests)],
        ),
        *reference_tools.beside(view, tools),
        *history.tuning(view),
        history.past(asked(con, "report_baselines", baseline_id=id_), _history(con, id_)),
        *drivers(view),
        *settings(view),
        published.publication(view, cells(con, id_) if has(con, "coverage") else []),
        _notes(
            view,
            [
                *(
                    f"{title}: this baseline has no rows for it."
                    for title, missing in absent.items()
                    if missing
                ),
                *(published.contradicted(id_, _contradictions(con, view)) if has(con, "lint") else ()),
            ],
        ),
    ]
    return Contents(
        [sentence for sentence in first if sentence],
        [section for section in sections if section is not None],
        next((one["benchmark"] for one in load_tests.longest(tests)), None),
    )


def _overview(view: "Picture") -> Section | None:
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


def _timelines(con: "Connection", view: "Picture", tests: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """The longest load of each service."""
    baseline_id = view.run.baseline_id
    charts: list[Chart] = []
    for one in load_tests.longest(tests):
        service = one["service"]
        where = {"baseline_id": baseline_id, "benchmark": one["benchmark"]}
        bucket_ns = max(_BUCKET_NS, one["elapsed_ns"] // _BUCKETS)
        svg = comparison_charts.timeline(
            service,
            one["users"],
            load_tests.before_the_end(
                asked(con, "report_timeline_latency", **where, bucket_ns=bucket_ns), one, bucket_ns
            ),
            asked(con, "report_timeline_use", **where, service=service),
        )
        if svg:
            about = f"Latency and use of {show.cell(view.title_of(service))} over its load test"
            charts.append(Chart(about, f"load-{service}", svg))
    return charts


def _history(con: "Connection", baseline_id: str) -> Chart | None:
    svg = comparison_charts.history(asked(con, "report_history", baseline_id=baseline_id))
    return Chart("p50 over baselines, one benchmark of each service", "history", svg) if svg else None


def _contradictions(con: "Connection", view: "Picture") -> list[Contradiction]:
    """Figures that contradict each other; published ones only where something of the stack is in what is published."""
    return [one for one in contradictions(con) if not (one.published and published.unheard_of(view))]


def _notes(view: "Picture", said: Sequence[str]) -> Section:
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
