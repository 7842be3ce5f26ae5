"""What does a report show of sustained loads?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import comparison_charts
from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Chart, drawn
from devperf_pipeline.report.sections.environment import placements

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report, Rows

LADDER = ("p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "max")

_BUCKET_NS = 100_000_000
"""Shorter pieces of a load test hold too few calls for a p95."""

_BUCKETS = 60


def load_tests(report: "Report") -> Mapping[str, Any]:
    """The longest load of each operation, the sweep of users, the saturation points, and what must be known of them."""
    tests = report.load_tests
    sweep: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for one in tests:
        sweep.setdefault((one["service"], one["operation"]), {})[one["users"]] = one
    busy: dict[str, list[str]] = {}
    for one in tests:
        if one["valid"] and one["busy_rounds"]:
            busy.setdefault(one["service"], []).append(show.count(one["users"]))
    chart = drawn(
        "Throughput and p95, from one user to most", "sweep", comparison_charts.sweep(tests, report.colours)
    )
    return {
        "tests": tests,
        "longest": longest(tests),
        "ladder": LADDER,
        "charts": [*([chart] if chart else []), *_courses(report)],
        "sweep": sweep if any(len(points) > 1 for points in sweep.values()) else None,
        "users": sorted({one["users"] for one in tests}),
        "invalid": [one for one in tests if not one["valid"]],
        "busy": busy,
        **_where(report),
    }


def longest(tests: "Rows") -> Sequence[Mapping[str, Any]]:
    """Of each sustained operation the valid load that lasted longest: the load test; the others are points of its sweep."""
    chosen: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in tests:
        key = (one["service"], one["operation"])
        if one["valid"] and (key not in chosen or one["elapsed_ns"] >= chosen[key]["elapsed_ns"]):
            chosen[key] = one
    return list(chosen.values())


def before_the_end(pieces: "Rows", test: Mapping[str, Any], bucket_ns: int) -> "Rows":
    """The pieces without those whose calls outlived the load: they were quick because nobody else asked any more."""
    if not pieces:
        return []
    began_ns = pieces[0]["at_ns"] - bucket_ns // 2
    last_ns = began_ns + test["elapsed_ns"] - (test["p50_ns"] or 0)
    return [piece for piece in pieces if piece["at_ns"] + bucket_ns // 2 <= last_ns]


def _where(report: "Report") -> Mapping[str, Any]:
    """
    Where client and servers ran, and whether one user ran elsewhere than in the tables of the services, where one user
    shares a core with the servers.
    """
    known = [one for one in report.load_tests if one["placement"]]
    alone = {one["placement"] for one in known if one["users"] == 1}
    before = {row.placement for part in report.parts for row in part.new if row.users == 1}
    shared = bool(alone) and bool(before) and all(name.startswith("together") for name in before - alone)
    return {
        "places": placements((one["placement"], one["users"]) for one in known),
        "elsewhere": shared and not alone & before,
    }


def _courses(report: "Report") -> Sequence[Chart]:
    """The longest load of each service over its time."""
    found: list[Chart] = []
    for one in longest(report.load_tests):
        bucket_ns = max(_BUCKET_NS, one["elapsed_ns"] // _BUCKETS)
        latency, use = report.course(one, bucket_ns)
        svg = comparison_charts.timeline(
            one["service"],
            one["users"],
            before_the_end(latency, one, bucket_ns),
            use,
            report.colours[one["service"]],
        )
        about = f"Latency and use of {report.title_of(one['service'])} over its load test"
        found += [Chart(about, f"load-{one['service']}", svg)] if svg else []
    return found
