"""What does a report show of CPU and memory: idle, under load, and for each request in flight?"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report, Rows

_OUTSIDE = ("host", "measuring")
"""Categories that are no part of the stack: all of the machine, and what we used ourselves to measure."""

_SUMMED = ("cpu_p50", "rss_bytes", "pss_bytes", "vsz_bytes", "processes", "threads")


def usage(report: "Report") -> Mapping[str, Any]:
    """Everything idle, in its groups with their sums, and the services under their largest load."""
    idle = _idle(report.resources)
    stack = [row for row in idle if row["category"] not in _OUTSIDE]
    lines: list[Mapping[str, Any]] = []
    for category in dict.fromkeys(row["category"] for row in stack):
        group = [row for row in stack if row["category"] == category]
        lines += group
        if len(group) > 1:
            lines.append({"category": category, "service": None, **_sum(group)})
    # Everything is read while one service is loaded; here stands what that one used.
    own = [row for row in report.resources if row["phase"] == "load" and is_own(row)]
    return {
        "idle": lines,
        "total": _sum(stack) if idle else None,
        "outside": [row for row in idle if row["category"] in _OUTSIDE],
        "load": _largest(own),
    }


def memory(report: "Report") -> Mapping[str, Any]:
    """What one more request in flight costs in memory, least first, and whether any two can be told apart."""
    rows = best(report.memory)
    bounds = [
        (row["low_bytes"], row["high_bytes"])
        for row in rows
        if row["low_bytes"] is not None and row["high_bytes"] is not None
    ]
    apart = len(bounds) < 2 or max(low for low, _ in bounds) > min(high for _, high in bounds)
    return {"rows": rows, "apart": apart}


def best(rows: "Rows") -> Sequence[Mapping[str, Any]]:
    """One row a service, the cheapest first: by PSS where that could be read, for it counts no page twice."""
    chosen: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["service"] not in chosen or (row["measure"] == "pss" and row["bytes_per_request"] is not None):
            chosen[row["service"]] = row
    return sorted(chosen.values(), key=_cost)


def _cost(row: Mapping[str, Any]) -> tuple[bool, float]:
    """What one request in flight costs; a service of which that is unknown comes last."""
    cost = row["bytes_per_request"]
    return cost is None, cost or 0


def is_own(row: Mapping[str, Any]) -> bool:
    """Whether the load was on this service, or on the one that it is a node of."""
    loaded = str(row["benchmark"]).split("/", maxsplit=1)[0]
    return row["service"] == loaded or str(row["service"]).startswith(f"{loaded}/")


def _idle(rows: "Rows") -> Sequence[Mapping[str, Any]]:
    return [row for row in rows if row["phase"] == "idle" and row["category"] != "total"]


def _largest(rows: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    most: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["service"] not in most or row["users"] > most[row["service"]]["users"]:
            most[row["service"]] = row
    return list(most.values())


def _sum(rows: "Rows") -> Mapping[str, Any]:
    """Sums of each figure; None where one row lacks it: a sum that lacks a part would be read as the whole."""
    return {
        name: sum(row[name] for row in rows) if all(row[name] is not None for row in rows) else None
        for name in _SUMMED
    }
