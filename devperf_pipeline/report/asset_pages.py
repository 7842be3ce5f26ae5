"""What does Dagster show of a service, of what changed, of what was found and of a report?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from devperf_pipeline.measure.load_tests import LOAD_TEST_USERS
from devperf_pipeline.measure.tools.stage import TITLES
from devperf_pipeline.model import Stage
from devperf_pipeline.report import format as show
from devperf_pipeline.report import table_cells
from devperf_pipeline.report.chart_style import inline
from devperf_pipeline.report.charts import latency_curve, overview
from devperf_pipeline.report.comparison_charts import history, sweep
from devperf_pipeline.report.contents import body
from devperf_pipeline.report.markdown import sentence
from devperf_pipeline.report.section import Block, Chart, Lines, Table, columns, drawn
from devperf_pipeline.report.sections import resources
from devperf_pipeline.report.sections.overview import headline

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report
    from devperf_pipeline.report.rows import Part

_PHASES = ("idle", "held", "load")
_KIB, _MIB, _MS = 1 << 10, 1 << 20, 1e6

Cell = str | int | float | None
Row = Mapping[str, Any]
Columns = Mapping[str, str | tuple[str, float]]
"""Columns of Dagster's own table, whose numbers sort: where each cell comes from, and what a number is divided by."""


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


def service_pages(view: "Report") -> dict[str, dict[Stage, Page]]:
    """
    What the page of each service's percentiles has: of each stage that anybody measured what its last baseline found.

    Numbers that are drawn over time are there only where the newest baseline has measured them.
    """
    pages: dict[str, dict[Stage, Page]] = {}
    for row in view.asked("report_last_measured"):
        service, stage, baseline_id = row["service"], row["stage"], row["baseline_id"]
        made = page(view, baseline_id, stage, service)
        if baseline_id != view.run.baseline_id:
            made = replace(made, trend={}, note=f"measured in {baseline_id}")
        pages.setdefault(service, {})[stage] = made
    return pages


def page(view: "Report", baseline_id: str, stage: Stage, service: str) -> Page:
    """What a baseline's stage made of a service."""
    return _STAGES[stage](view, baseline_id, service)


def _samples(view: "Report", baseline_id: str, service: str) -> Page:
    """A sentence, the percentile curves, what does not count, and how many rounds there were."""
    part = view.part(service)
    if part is None:
        return Page()
    last = replace(part, rows=[row for row in part.rows if row.baseline_id == baseline_id])
    notes = table_cells.readings(last, 0).notes
    chart = latency_curve(last, view.curves(last), small=True)
    panel = markdown(
        sentence("about", part),
        drawn(f"Percentile curves of {show.cell(part.title)}", "curves", chart),
        *(("Does not count:", Lines(notes)) if notes else ()),
        _rounds(_of(service, view.asked("report_rounds", baseline_id=baseline_id))),
    )
    return Page(rows=table_cells.records(last.rows), trend=_trend(part), panel=panel)


def _trend(part: "Part") -> dict[str, float]:
    """Percentiles of the engine's valid rows with one user, in milliseconds."""
    return {
        f"{quantile} ms, {show.plain(row.title, 60)}": _scaled(value, _MS)
        for row in part.new
        if row.instrument == "engine" and row.users == 1 and row.valid and not row.is_floor
        for quantile, value in (("p50", row.p50_ns), ("p95", row.trusted_p95_ns), ("p99", row.trusted_p99_ns))
        if value is not None
    }


def _rounds(rows: Sequence[Row]) -> Table | None:
    """How many rounds a service has, how long they were, and how many do not count or were disturbed."""
    lines = [
        [
            *(show.count(row[name]) for name in ("benchmarks", "rounds")),
            show.duration(round(row["elapsed_ns"])),
            *(show.count(row[name]) for name in ("problems", "busy")),
        ]
        for row in rows
    ]
    head = columns("benchmarks", "rounds", "each", "do not count", "others were busy", words=0)
    return Table(*head, lines) if lines else None


def _load_tests(view: "Report", baseline_id: str, service: str) -> Page:
    """The sweep of users as table and picture, and its knee."""
    tests = _of(service, view.asked("report_load_tests", baseline_id=baseline_id))
    knees = _of(service, view.table("knees", baseline_id))
    measured: Columns = {
        "users": "users", "calls/s": ("throughput_per_s", 1), "p50 ms": ("p50_ns", _MS), "p95 ms": ("p95_ns", _MS),
        "p99 ms": ("p99_ns", _MS), "max ms": ("max_ns", _MS), "calls": "n", "failed": "failed",
        "no success": "non_success", "took s": ("elapsed_ns", 1e9),
    }  # fmt: skip
    trend: dict[str, float] = {}
    for one in tests:
        if one["valid"] and one["users"] == LOAD_TEST_USERS:
            trend[f"calls/s, {LOAD_TEST_USERS} users"] = float(one["throughput_per_s"])
            if one["p95_ns"] is not None:
                trend[f"p95 ms, {LOAD_TEST_USERS} users"] = one["p95_ns"] / _MS
    for one in knees:
        if one["knee_users"] is not None:
            trend["knee, users"] = float(one["knee_users"])
            trend["knee, calls/s"] = float(one["knee_throughput_per_s"])
    panel = markdown(
        drawn("Throughput and p95, from one user to most", "sweep", sweep(tests, view.colours, small=True)),
        *(
            f"From how many users on more of them only wait longer: {sentence('knee', view, one)}."
            for one in knees
        ),
    )
    return Page(rows=[_cells(one, measured, valid=_counts(one)) for one in tests], trend=trend, panel=panel)


def _counts(one: Row) -> str:
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
    held = resources.best(_of(service, view.table("memory_per_request", baseline_id)))
    drawn_idle = {"CPU %": ("cpu_p50", 1), "RSS MiB": ("rss_bytes", _MIB), "PSS MiB": ("pss_bytes", _MIB)}
    measured: Columns = {
        "process tree": "service", "phase": "phase", "users": "users",
        "CPU %, p50": ("cpu_p50", 1), "CPU %, p5": ("cpu_p5", 1), "CPU %, p95": ("cpu_p95", 1),
        "RSS MiB": ("rss_bytes", _MIB), "PSS MiB": ("pss_bytes", _MIB), "processes": "processes", "threads": "threads",
        "written MiB/s": ("written_per_s", _MIB), "readings": "readings",
    }  # fmt: skip
    trend: dict[str, float] = {}
    for name, (column, scale) in drawn_idle.items():
        known = [row[column] for row in used if row["phase"] == "idle"]
        if known and None not in known:
            trend[f"idle, {name}"] = _scaled(sum(known), scale)
    for one in held:
        if one["tells"]:
            trend["KiB a request held"] = _scaled(one["bytes_per_request"], _KIB)
    panel = markdown(
        *(
            f"Memory of one more request under way ({show.cell(str(one['measure']).upper())}): "
            f"{sentence('slope', one)}; {show.prose(one['verdict'])}."
            for one in held
        )
    )
    return Page(rows=[_cells(row, measured) for row in used], trend=trend, panel=panel)


def _tools(view: "Report", baseline_id: str, service: str) -> Page:
    """Each run of a tool, and what it comes to beside the engine."""
    measured: Columns = {
        "tool": "tool", "users": "users", "calls/s": ("throughput_per_s", 1), "p50 ms": ("p50_ns", _MS),
        "p95 ms": ("p95_ns", _MS), "calls": "n", "errors": "errors",
    }  # fmt: skip
    rows: list[Mapping[str, Cell]] = []
    trend: dict[str, float] = {}
    for one in view.asked("report_stated", baseline_id=baseline_id, service=service):
        operation = one["operation"]
        title = show.plain(TITLES.get(operation) or view.operation_of(service, operation), 60)
        told = show.plain(one["problem"] or one["says"] or _late(one) or show.DASH, 200)
        rows.append({"operation": title, **_cells(one, measured), "beside the engine": told})
        if one["problem"] is None and one["throughput_per_s"] is not None:
            trend[f"calls/s, {title}, {one['tool']}"] = float(one["throughput_per_s"])
    return Page(rows=rows, trend=trend)


def _late(one: Row) -> str:
    """What the throughput of a tool is that sees its own end too late."""
    if one["looks_ns"] is None:
        return ""
    return (
        f"at least so many calls/s: it sees only every {one['looks_ns'] / _MS:.0f} ms whether it has finished"
    )


_STAGES: Mapping[Stage, Callable[["Report", str, str], Page]] = {
    "samples": _samples,
    "load_tests": _load_tests,
    "resources": _resources,
    "tools": _tools,
}


def comparison_page(view: "Report") -> Page:
    """What changed since the reference, the stack's baselines, and how p50 went over them."""
    found = view.changes
    baselines = [
        f"{show.cell(row['baseline_id'])}: {show.moment(row['began_at_ns'])}, {show.cell(row['profile'])}, "
        f"{show.cell(row['state'])}, {show.count(row['samples'])} calls, {show.count(row['invalid'])} of "
        f"{show.count(row['benchmarks'])} benchmarks do not count"
        for row in view.baselines
    ]
    return Page(
        rows=[
            {
                "service": one.service,
                "operation": show.plain(one.title, 60),
                "benchmark": one.benchmark,
                "metric": one.metric,
                "ratio": None if one.ratio is None else _scaled(one.ratio),
                "verdict": one.verdict,
            }
            for one in (found.rows if found else ())
            if one.verdict in {"slower", "faster"}
        ],
        panel=markdown(
            body("changes", view),
            drawn("p50 over baselines", "history", history(view.history, view.colours, small=True)),
            "Medians of one user, the quickest and the slowest operation of each service:",
            Lines(headline(view)),
            "Baselines:",
            Lines(baselines),
        ),
    )


def findings_page(view: "Report") -> Page:
    """The bottlenecks and costs that are open, and all that was searched for."""
    return Page(
        rows=[
            {
                "finding": show.plain(one.title, 80),
                "kind": one.kind,
                "service": one.service,
                "operation": show.plain(one.operation, 60),
                "users": one.users,
                "costs ms a call": _scaled(one.impact_ns, _MS),
                "status": one.status,
                "remedy": show.plain(one.remedy, 200),
            }
            for one in view.findings
            if one.status in {"open", "improved", "optimised"}
        ],
        panel=body("findings", view) or "Nothing could be searched for.",
    )


def report_panel(report: str) -> str:
    """A rendered report as it can be read in a dialog: without its pictures, whose files a browser does not get there."""
    return "\n".join(line for line in report.splitlines() if not line.startswith("!["))


def report_picture(view: "Report") -> str:
    """Every operation of every service at one user, as an inline picture for the same dialog."""
    chart = drawn("Latency of every operation, one user", "overview", overview(view.parts, small=True))
    return markdown(chart or "Nothing valid was measured yet.")


def markdown(*blocks: Block | None) -> str:
    """Blocks of a report as they are written for a dialog; pictures stand inside the text."""
    return "\n\n".join(_block(block) for block in blocks if block)


def _block(block: Block) -> str:
    match block:
        case Table():
            return block.markdown
        case Lines():
            return "\n".join(f"- {point}" for point in block.points)
        case Chart():
            return inline(block.about, block.svg)
        case _:
            return block


def _of(service: str, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["service"] == service]


def _cells(row: Row, wanted: Columns, **more: Cell) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    for head, source in wanted.items():
        name, scale = (source, None) if isinstance(source, str) else source
        value = row[name]
        found[head] = value if scale is None or value is None else _scaled(value, scale)
    return found | more


def _scaled(value: float, scale: float = 1) -> float:
    """A number with three digits that count."""
    return float(show.number(value / scale))
