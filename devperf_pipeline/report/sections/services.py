"""What does a report say of each service, in which order?"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from devperf_pipeline.report import format as show
from devperf_pipeline.report import table_cells
from devperf_pipeline.report.report_data import shown
from devperf_pipeline.report.section import Block, Chart, Lines, Section
from devperf_pipeline.report.sections import summary
from devperf_pipeline.services import role_of

if TYPE_CHECKING:
    from devperf_pipeline.report.model import Report
    from devperf_pipeline.report.report_data import Part

GROUPS = {
    "api": "API response times",
    "database": "Databases",
    "cache": "Redis, one node and cluster",
    "queue": "Message queue",
    "secrets": "Secrets",
    "": "Other services",
}
"""Parts of the report by the role of a service, in their order."""

DAGGER = "† rounds too few or too short: bounds from the samples alone, which are narrower than the truth."

_DEAREST = 3
"""So many operations are named that the driver costs most."""


def services(view: "Report", role: str, chart: "Callable[[Part], str | None]") -> list[Section]:
    """The part of the report about all services of one role: its heading, then one section a service."""
    parts = [part for part in view.parts if _role(part) == role]
    if not parts:
        return []
    return [Section(GROUPS[role], []), *(_section(view, part, chart(part)) for part in parts)]


def _section(view: "Report", part: "Part", svg: str | None) -> Section:
    readings = table_cells.readings(part, table_cells.end_ns(view))
    blocks: list[Block] = [summary.about(part)]
    if svg:
        blocks.append(Chart(f"Percentile curves of {show.cell(part.title)}", part.service, svg))
    if readings.engine:
        blocks += [_caption(part, readings.engine_alike), readings.engine]
    if readings.notes:
        blocks += ["Does not count:", Lines(readings.notes)]
    return Section(show.cell(part.title), [block for block in blocks if block], level=3)


def _caption(part: "Part", alike: str) -> str:
    """What holds of a whole table: what all its rows say, and where client and servers ran."""
    where = summary.placed((row.placement, row.users) for row, _ in shown(part.rows))
    return " ".join(said for said in (alike, f"{where[:1].upper()}{where[1:]}." if where else "") if said)


def drivers(view: "Report") -> list[Section]:
    """What the drivers measured beside the engine, all of it; empty where they measured nothing."""
    sections: list[Section] = []
    for part in view.parts:
        readings = table_cells.readings(part, table_cells.end_ns(view))
        if readings.driver:
            blocks: list[Block] = [readings.driver_alike, readings.driver]
            sections.append(Section(show.cell(part.title), [block for block in blocks if block], level=3))
    if not sections:
        return []
    about = (
        "What an application feels: the same operations through each service's Python driver. The tables above have "
        "their p50 as a column."
    )
    return [Section("Through the drivers", [about, *_compared(view)]), *sections]


def _compared(view: "Report") -> list[Block]:
    """Where the driver costs most, and where it seems to cost less than nothing, in p50."""
    pairs = [
        (f"{show.cell(part.title)}, {show.cell(row.title)}", row.p50_ns, driver.p50_ns)
        for part in view.parts
        for row, driver in shown(part.rows)
        if driver and row.p50_ns and driver.p50_ns
    ]
    dearest = sorted(pairs, key=lambda pair: pair[2] - pair[1], reverse=True)[:_DEAREST]
    quicker = [pair for pair in pairs if pair[2] < pair[1]]
    lines = [
        f"{about}: {'; '.join(f'{what}: {show.duration(driver)} instead of {show.duration(engine)}' for what, engine, driver in those)}."
        for about, those in (
            ("The driver costs most", [pair for pair in dearest if pair[2] > pair[1]]),
            ("Quicker through the driver, so that nothing can be told of its cost", quicker),
        )
        if those
    ]
    return [Lines(lines)] if lines else []


def settings(view: "Report") -> list[Section]:
    """Under which settings each service was measured, in its own words; empty where none is known."""
    lines = [
        f"**{show.cell(part.title)}**: {said}" for part in view.parts if (said := summary.settings(part))
    ]
    return [Section("Settings", [Lines(lines)])] if lines else []


def _role(part: "Part") -> str:
    role = role_of(part.service)
    return role if role in GROUPS else ""


def _has_dagger(view: "Report") -> bool:
    return any(
        row.p95_bounds == "samples" and row.trusted_p95_ns and not row.is_floor
        for part in view.parts
        for row in part.rows
    )


def how_to_read(view: "Report", enough: "Sequence[str]") -> Section:
    """What the words of the tables mean; `enough` are the least numbers of calls for p95, p99 and p99.9."""
    p95, p99, p999 = enough
    points = [
        (
            "The load is closed: so many *users*, each waits for the answer before the next call. *Throughput* is calls "
            "a second of all of them together."
        ),
        (
            f"Percentiles are exact and over **all** calls, failed and slow ones included. {show.DASH} means too few "
            f"calls for that percentile ({p95} for p95, {p99} for p99, {p999} for p99.9)."
        ),
        (
            "The *bounds* of p95 are 95 % bounds of its repeatability within this run (between rounds); they are "
            "no test against another baseline."
        ),
        (
            "*engine* replays prepared bytes on the driver's own connection: what the service does. *driver* is what "
            "an application feels; the difference is what the driver costs, and chance where calls are few or unsteady."
        ),
        (
            "*floor* is the same instrument asking for nothing, with one user: of a reading close to its floor, little "
            "belongs to the service. *age* is counted back from the end of this baseline; *new* was measured in it."
        ),
        *summary.placements(view),
        *([DAGGER] if _has_dagger(view) else []),
    ]
    return Section("How to read the tables", [Lines(points)])
