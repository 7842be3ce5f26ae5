"""What does a report say of CPU and memory: idle, under load, and for each request under way?"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Block, Section, Table, columns

if TYPE_CHECKING:
    from devperf_pipeline.report.model import Report

ABOUT = (
    "Read from each service's whole process tree, medians over the readings of a phase. *RSS* counts pages that "
    "processes share once for each of them, *PSS* divides them; totals are sums of the rows above them. *host* and "
    "*measuring* are no part of the stack: the whole machine, and what we used to measure. CPU is in per "
    "cent of one core; – means that it could not be read, or from fewer than 3 readings."  # noqa: RUF001 - the dash of the tables
)


_OUTSIDE = ("host", "measuring")
"""Categories that are no part of the stack: all of the machine, and what we used ourselves to measure."""


def usage(view: "Report", rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Two tables: everything idle, in its groups with totals, and the services under their largest load."""
    idle = [row for row in rows if row["phase"] == "idle" and row["category"] != "total"]
    # Everything is read while one service is loaded; here stands what that one used.
    own = [row for row in rows if row["phase"] == "load" and is_own(row)]
    load = _largest(own)
    blocks: list[Block] = []
    if idle:
        blocks += ["### Idle", _idle(view, idle)]
    if load:
        blocks += ["### Under the largest load", _load(view, load)]
    return [Section("Resource usage", [ABOUT, *blocks])] if blocks else []


def at_rest(view: "Report", rows: Sequence[Mapping[str, Any]]) -> Table:
    """The few columns that fit a narrow page: CPU and memory of everything, idle."""
    head, rule = columns("what", "CPU (%)", "RSS", "PSS")
    return Table(
        head,
        rule,
        [
            [
                show.cell(view.title_of(row["service"])),
                _cpu(row["cpu_p50"]),
                _bytes(row["rss_bytes"]),
                _bytes(row["pss_bytes"]),
            ]
            for row in rows
            if row["phase"] == "idle" and row["category"] != "total"
        ],
    )


def memory(view: "Report", rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    """What one more request under way costs in memory, least first; empty where nobody measured it."""
    if not rows:
        return []
    head, rule = columns("service", "memory a request", "95 % bounds", "measured as", "points", "verdict")
    about = "The slope of memory over the number of requests held open at once; 0 within the bounds means: too little to be told."
    table = [
        [
            show.cell(view.title_of(row["service"])),
            _signed(row["bytes_per_request"]),
            f"{_signed(row['low_bytes'])} to {_signed(row['high_bytes'])}",
            show.cell(str(row["measure"]).upper()),
            show.count(row["points"]),
            show.prose(row["verdict"] or show.DASH),
        ]
        for row in best(rows)
    ]
    return [
        Section("Memory per request", [f"{about}{_unranked(rows)}", Table(head, (*rule[:-1], ":--"), table)])
    ]


def _unranked(rows: Sequence[Mapping[str, Any]]) -> str:
    """That nobody uses less than another where the bounds of all have something in common; empty otherwise."""
    known = [
        (row["low_bytes"], row["high_bytes"])
        for row in best(rows)
        if row["low_bytes"] is not None and row["high_bytes"] is not None
    ]
    if len(known) < 2 or max(low for low, _ in known) > min(high for _, high in known):
        return ""
    return " **The bounds of all overlap: who uses least cannot be told.**"


def best(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One row a service: by PSS where that could be read, for it counts no page twice."""
    chosen: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["service"] not in chosen or (row["measure"] == "pss" and row["bytes_per_request"] is not None):
            chosen[row["service"]] = row
    return list(chosen.values())


def slope(row: Mapping[str, Any]) -> str:
    """What one request under way costs, and its bounds."""
    return (
        f"{_signed(row['bytes_per_request'])} ({_signed(row['low_bytes'])} to {_signed(row['high_bytes'])})"
    )


def _idle(view: "Report", rows: Sequence[Mapping[str, Any]]) -> Table:
    head, rule = columns(
        "group", "service", "CPU (%)", "RSS", "PSS", "VSZ", "processes", "threads", "readings", words=2
    )

    def line(row: Mapping[str, Any]) -> list[str]:
        name = show.cell(view.title_of(row["service"]))
        return [show.cell(row["category"]), name, *_used(row), show.count(row["readings"])]

    stack = [row for row in rows if row["category"] not in _OUTSIDE]
    lines: list[list[str]] = []
    for category in dict.fromkeys(row["category"] for row in stack):
        group = [row for row in stack if row["category"] == category]
        lines += map(line, group)
        if len(group) > 1:
            lines.append([show.cell(category), "*together*", *_used(_sum(group)), ""])
    lines.append(["**all**", "**Total**", *(f"**{cell}**" for cell in _used(_sum(stack))), ""])
    return Table(head, rule, [*lines, *(line(row) for row in rows if row["category"] in _OUTSIDE)])


def _load(view: "Report", rows: Sequence[Mapping[str, Any]]) -> Table:
    head, rule = columns(
        "service", "users", "CPU (%), p50", "p5 to p95", "RSS", "RSS at most", "PSS", "written", "readings"
    )
    return Table(
        head,
        rule,
        [
            [
                show.cell(view.title_of(row["service"])),
                show.count(row["users"]),
                _cpu(row["cpu_p50"]),
                show.DASH if row["cpu_p5"] is None else f"{_cpu(row['cpu_p5'])} to {_cpu(row['cpu_p95'])}",
                _bytes(row["rss_bytes"]),
                _bytes(row["rss_max_bytes"]),
                _bytes(row["pss_bytes"]),
                show.DASH if row["written_per_s"] is None else f"{show.size(round(row['written_per_s']))}/s",
                show.count(row["readings"]),
            ]
            for row in rows
        ],
    )


def is_own(row: Mapping[str, Any]) -> bool:
    """Whether the load was on this service, or on the one that it is a node of."""
    loaded = str(row["benchmark"]).split("/", maxsplit=1)[0]
    return row["service"] == loaded or str(row["service"]).startswith(f"{loaded}/")


def _largest(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    most: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["service"] not in most or row["users"] > most[row["service"]]["users"]:
            most[row["service"]] = row
    return list(most.values())


def _sum(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums of what could be read; None where nothing could."""
    names = ("cpu_p50", "rss_bytes", "pss_bytes", "vsz_bytes", "processes", "threads")
    known = {name: [row[name] for row in rows if row[name] is not None] for name in names}
    # A sum that lacks a part would be read as the whole.
    return {name: sum(values) if len(values) == len(rows) else None for name, values in known.items()}


def _used(row: Mapping[str, Any]) -> list[str]:
    sizes = [_bytes(row[name]) for name in ("rss_bytes", "pss_bytes", "vsz_bytes")]
    counts = [
        show.count(None if row[name] is None else round(row[name])) for name in ("processes", "threads")
    ]
    return [_cpu(row["cpu_p50"]), *sizes, *counts]


def _cpu(per_cent: float | None) -> str:
    return show.DASH if per_cent is None else f"{per_cent:.1f}"


def _bytes(size_bytes: float | None) -> str:
    return show.DASH if size_bytes is None else show.size(round(size_bytes))


def _signed(size_bytes: float | None) -> str:
    if size_bytes is None:
        return show.DASH
    return show.size(round(size_bytes)) if size_bytes >= 0 else f"−{show.size(round(-size_bytes))}"  # noqa: RUF001 - a minus
