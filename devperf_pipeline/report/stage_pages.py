"""What does Dagster show of what one stage of a run made of a service?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devperf_pipeline.measure.load_tests import LOAD_TEST_USERS
from devperf_pipeline.measure.tools.stage import TITLES
from devperf_pipeline.model import Stage
from devperf_pipeline.report import format as show
from devperf_pipeline.report.chart_style import inline
from devperf_pipeline.report.comparison_charts import sweep
from devperf_pipeline.report.section import Table, columns
from devperf_pipeline.report.sections import load_tests, resources

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report

Cell = str | int | float | None

_PHASES = ("idle", "held", "load")

_MIB = 1 << 20
_KIB = 1 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """
    What stands on an asset's page: a table of few columns and numbers that sort, numbers that are drawn over time, and
    Markdown for a dialog 520 pixels wide. `note` says where all of it is of an older baseline.
    """

    rows: Sequence[Mapping[str, Cell]] = ()
    trend: Mapping[str, float] = field(default_factory=dict[str, float])
    panel: str = ""
    note: str = ""


def page(view: "Report", baseline_id: str, stage: Stage, service: str) -> Page:
    """What a baseline's stage made of a service; an empty page of "samples", whose page is `service_pages.py`'s."""
    make = {"load_tests": _load_tests, "resources": _resources, "tools": _tools}.get(stage)
    return make(view, baseline_id, service) if make else Page()


def rounds(view: "Report", baseline_id: str, service: str) -> Table | None:
    """How many rounds a service has, how long they were, and how many do not count or were disturbed."""
    head, rule = columns("benchmarks", "rounds", "each", "do not count", "others were busy", words=0)
    lines = [
        [
            *(show.count(row[name]) for name in ("benchmarks", "rounds")),
            show.duration(round(row["elapsed_ns"])),
            *(show.count(row[name]) for name in ("problems", "busy")),
        ]
        for row in _of(service, view.asked("report_rounds", baseline_id=baseline_id))
    ]
    return Table(head, rule, lines) if lines else None


def _load_tests(view: "Report", baseline_id: str, service: str) -> Page:
    """The sweep of users as table and picture, and its knee."""
    tests = _of(service, view.asked("report_load_tests", baseline_id=baseline_id))
    knees = _of(service, view.asked("report_knees", baseline_id=baseline_id))
    rows: list[dict[str, Cell]] = [
        {
            "users": one["users"],
            "calls/s": _rate(one["throughput_per_s"]),
            "p50 ms": _ms(one["p50_ns"]),
            "p95 ms": _ms(one["p95_ns"]),
            "p99 ms": _ms(one["p99_ns"]),
            "max ms": _ms(one["max_ns"]),
            "calls": one["n"],
            "failed": one["failed"],
            "no success": one["non_success"],
            "took s": round(one["elapsed_ns"] / 1e9, 2),
            "valid": _counts(one),
        }
        for one in tests
    ]
    trend: dict[str, float] = {}
    for one in tests:
        if one["valid"] and one["users"] == LOAD_TEST_USERS:
            trend[f"calls/s, {LOAD_TEST_USERS} users"] = float(one["throughput_per_s"])
            if one["p95_ns"] is not None:
                trend[f"p95 ms, {LOAD_TEST_USERS} users"] = one["p95_ns"] / 1e6
    for one in knees:
        if one["knee_users"] is not None:
            trend["knee, users"] = float(one["knee_users"])
            trend["knee, calls/s"] = float(one["knee_throughput_per_s"])
    chart = sweep(tests, small=True)
    parts = [
        *([inline("Throughput and p95, from one user to most", chart)] if chart else []),
        *(
            f"From how many users on more of them only wait longer: {load_tests.knee(view, one)}."
            for one in knees
        ),
    ]
    return Page(rows=rows, trend=trend, panel="\n\n".join(parts))


def _counts(one: Mapping[str, Any]) -> str:
    """Whether a load test counts, and whether it was alone on the machine."""
    if not one["valid"]:
        return show.plain(one["invalid_reason"] or "no", 160)
    return "yes, but others used over 30 % of the cores" if one["busy_rounds"] else "yes"


def _resources(view: "Report", baseline_id: str, service: str) -> Page:
    """Medians of what its processes used: at rest and under its own loads, each node by itself; memory per request."""
    used = [
        row
        for row in view.asked("report_resources", baseline_id=baseline_id)
        if str(row["service"]).partition("/")[0] == service
        and (row["phase"] == "idle" or resources.is_own(row))
    ]
    used.sort(key=lambda row: (_PHASES.index(row["phase"]), row["service"], row["users"]))
    held = resources.best(_of(service, view.asked("report_memory", baseline_id=baseline_id)))
    rows: list[dict[str, Cell]] = [
        {
            "process tree": row["service"],
            "phase": row["phase"],
            "users": row["users"],
            "CPU %, p50": _rounded(row["cpu_p50"]),
            "CPU %, p5": _rounded(row["cpu_p5"]),
            "CPU %, p95": _rounded(row["cpu_p95"]),
            "RSS MiB": _size(row["rss_bytes"]),
            "PSS MiB": _size(row["pss_bytes"]),
            "processes": row["processes"],
            "threads": row["threads"],
            "written MiB/s": _size(row["written_per_s"]),
            "readings": row["readings"],
        }
        for row in used
    ]
    trend: dict[str, float] = {}
    idle = [row for row in used if row["phase"] == "idle"]
    for name, column, scale in (
        ("CPU %", "cpu_p50", 1),
        ("RSS MiB", "rss_bytes", _MIB),
        ("PSS MiB", "pss_bytes", _MIB),
    ):
        known = [row[column] for row in idle if row[column] is not None]
        if known and len(known) == len(idle):
            trend[f"idle, {name}"] = float(show.number(sum(known) / scale))
    for one in held:
        if one["tells"]:
            trend["KiB a request held"] = float(show.number(one["bytes_per_request"] / _KIB))
    panel = "\n\n".join(
        f"Memory of one more request under way ({show.cell(str(one['measure']).upper())}): "
        f"{resources.slope(one)}; {show.prose(one['verdict'])}."
        for one in held
    )
    return Page(rows=rows, trend=trend, panel=panel)


def _tools(view: "Report", baseline_id: str, service: str) -> Page:
    """Each run of a tool, and what it comes to beside the engine."""
    runs = view.asked("report_stated", baseline_id=baseline_id, service=service)
    rows = [_run(view, service, one) for one in runs]
    trend = {
        f"calls/s, {_title(view, service, one['operation'])}, {one['tool']}": float(one["throughput_per_s"])
        for one in runs
        if one["problem"] is None and one["throughput_per_s"] is not None
    }
    return Page(rows=rows, trend=trend)


def _run(view: "Report", service: str, one: Mapping[str, Any]) -> dict[str, Cell]:
    return {
        "operation": _title(view, service, one["operation"]),
        "tool": one["tool"],
        "users": one["users"],
        "calls/s": _rate(one["throughput_per_s"]),
        "p50 ms": _ms(one["p50_ns"]),
        "p95 ms": _ms(one["p95_ns"]),
        "calls": one["n"],
        "errors": one["errors"],
        "beside the engine": show.plain(one["problem"] or one["says"] or _late(one) or show.DASH, 200),
    }


def _late(one: Mapping[str, Any]) -> str:
    """What the throughput of a tool is that sees its own end too late."""
    if one["looks_ns"] is None:
        return ""
    return (
        f"at least so many calls/s: it sees only every {one['looks_ns'] / 1e6:.0f} ms whether it has finished"
    )


def _title(view: "Report", service: str, operation: str) -> str:
    return show.plain(TITLES.get(operation) or view.operation_of(service, operation), 60)


def _of(service: str, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["service"] == service]


def _or_none(write: Callable[[float], float]) -> Callable[[float | None], float | None]:
    return lambda value: None if value is None else write(value)


_rounded = _or_none(lambda value: float(show.number(value)))
_rate = _or_none(lambda value: float(show.number(value)))
_ms = _or_none(lambda value: float(show.number(value / 1e6)))
_size = _or_none(lambda value: float(show.number(value / _MIB)))
