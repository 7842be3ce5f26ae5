"""
How do implementations, loads and baselines look beside each other?

Ranking with intervals, throughput and latency over users, a load test over its time, a benchmark over baselines.
A service has the same colour in all of them: see `Report.colours`.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report.chart_style import (
    beside,
    column,
    date_axis,
    figure_of,
    rate_axis,
    svg_of,
    time_axis,
)
from devperf_pipeline.report.format import duration, label
from devperf_pipeline.services import role_of, title_of

if TYPE_CHECKING:
    from devperf_pipeline.analyse.judgements import Reading

LEAST_BASELINES = 3
"""A history of fewer says nothing that the table of changes does not."""

WHISKER = "#24292f"
"""Dark enough to stand out from every bar; a white edge keeps it apart from a dark page."""

_S_NS = 1_000_000_000
_MIB = 1 << 20


def ranking_bars(places: "Sequence[Reading]", colours: Mapping[str, str]) -> str | None:
    """One bar an implementation up to its p95, with the bounds of p95 as a line, p50 as a dot; None with fewer than two."""
    if len(places) < 2:
        return None
    with figure_of(26 * len(places) + 62) as figure:
        axes = figure.subplots()
        furthest = max(max(place.p95_ns or 0, place.p95_high_ns or 0) for place in places)
        scale, unit = (1e6, "ms") if furthest >= 1e6 else (1e3, "µs")
        for y, place in enumerate(places):
            axes.barh(
                [y], [(place.p95_ns or 0) / scale], color=colours[place.service], height=0.58, alpha=0.75
            )
            if place.p95_low_ns is not None and place.p95_high_ns is not None:
                ends = [place.p95_low_ns / scale, place.p95_high_ns / scale]
                # Light below dark: seen on the bar and beside it, on a white page and on a dark one.
                for shade, wider in (("white", 2.0), (WHISKER, 0.0)):
                    axes.plot(
                        ends, [y, y], color=shade, linewidth=1.4 + wider, marker="|", markersize=7 + wider,
                        markeredgewidth=1.2 + wider,
                    )  # fmt: skip
            if place.p50_ns is not None:
                dot = {"marker": "o", "markersize": 5, "color": "white", "markeredgecolor": WHISKER}
                axes.plot([place.p50_ns / scale], [y], **dot)
            beside(axes, y, duration(place.p95_ns))
        axes.set_yticks(range(len(places)), [label(title_of(place.service), 40) for place in places])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(places) - 0.4, -0.6)
        axes.set_xlim(0, furthest / scale * 1.04)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(
            f"latency of one call, one user, {unit}: bar p95, line its 95 % bounds, dot p50; p95 in figures"
        )
        return svg_of(figure)


def sweep(
    tests: Sequence[Mapping[str, Any]], colours: Mapping[str, str], *, small: bool = False
) -> str | None:
    """
    Throughput and p95 over the number of users, one line a service; a column for the APIs, one for the others.

    None without two loads of one service. `small` fits a dialog of 450 pixels: panels below each other.
    """
    lines: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in sorted(tests, key=lambda test: test["users"]):
        if one["valid"] and one["throughput_per_s"] and one["p95_ns"]:
            lines.setdefault((one["service"], one["operation"]), []).append(one)
    panels: dict[str, list[list[Mapping[str, Any]]]] = {"APIs": [], "databases, caches, queues": []}
    for key in dict.fromkeys((one["service"], one["operation"]) for one in tests):
        if len(points := lines.get(key, [])) > 1:
            panels["APIs" if role_of(key[0]) == "api" else "databases, caches, queues"].append(points)
    panels = {title: chosen for title, chosen in panels.items() if chosen}
    if not panels:
        return None
    keys = max(map(len, panels.values()))
    across = 1 if small else len(panels)
    down = 2 * len(panels) // across
    height = down * (190 if small else 200) + 17 * keys * (len(panels) // across)
    with figure_of(height, small=small) as figure:
        grid = figure.subplots(down, across, squeeze=False)
        for place, (title, chosen) in enumerate(panels.items()):
            row, at = divmod(place, across)
            above, below = grid[2 * row, at], grid[2 * row + 1, at]
            for points in chosen:
                service, name = points[0]["service"], points[0]["title"] or points[0]["operation"]
                style: dict[str, Any] = {
                    "color": colours[service], "marker": "o", "markersize": 4,
                    "label": label(f"{title_of(service)}, {name}", 48),
                }  # fmt: skip
                above.plot(column(points, "users"), column(points, "throughput_per_s"), **style)
                below.plot(column(points, "users"), column(points, "p95_ns"), **style)
            rate_axis(above)
            time_axis(below, "y")
            above.set_ylabel("calls by the second")
            below.set_ylabel("p95 of a call")
            users = sorted({point["users"] for points in chosen for point in points})
            for axes in (above, below):
                # A mark at each number of users that was measured, and at no other.
                axes.set_xscale("log")
                axes.set_xticks(users, [str(number) for number in users])
                axes.xaxis.minorticks_off()
            above.set_title(title)
            below.set_xlabel("users at once")
            below.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24))
        figure.align_ylabels()
        return svg_of(figure)


def timeline(
    service: str,
    users: int,
    latency: Sequence[Mapping[str, Any]],
    use: Sequence[Mapping[str, Any]],
    colour: str,
) -> str | None:
    """
    One load test over its time: p50 and p95 of each piece of it, below them CPU and memory of the service.

    None without readings of both.
    """
    if len(latency) < 2 or len(use) < 2:
        return None
    began_ns = min(latency[0]["at_ns"], use[0]["at_ns"])
    with figure_of(380) as figure:
        above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1.2, 1))
        at = column(latency, "at_ns", _S_NS, began_ns)
        above.plot(at, column(latency, "p95_ns"), color=colour, linewidth=1.5, label="p95")
        above.plot(at, column(latency, "p50_ns"), color=colour, linewidth=1.2, linestyle="--", label="p50")
        time_axis(above, "y")
        above.set_ylabel("latency", labelpad=9)
        above.legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.2))
        above.set_title(f"{label(title_of(service), 50)}, {users} users")
        at = column(use, "at_ns", _S_NS, began_ns)
        cpu, rss = column(use, "cpu_percent"), column(use, "rss_bytes", _MIB)
        for axes, values, name in ((middle, cpu, "CPU, % of\none core"), (below, rss, "RSS, MiB")):
            axes.plot(at, values, color=colour, linewidth=1.3)
            axes.set_ylabel(name)
            highest = max((value for value in values if not math.isnan(value)), default=0.0)
            axes.set_ylim(0, 1.15 * highest or 1.0)
        below.set_xlabel("seconds since the load test began")
        figure.align_ylabels()
        return svg_of(figure)


def history(
    rows: Sequence[Mapping[str, Any]], colours: Mapping[str, str], *, small: bool = False
) -> str | None:
    """
    The p50 of one benchmark of each service over baselines, with the bounds of its p95 as a band.

    None where no benchmark has three baselines. `small` fits a dialog of 450 pixels: panels below each other.
    """
    series: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        series.setdefault(row["service"], []).append(row)
    series = {service: points for service, points in series.items() if len(points) >= LEAST_BASELINES}
    if not series:
        return None
    columns = 1 if small else min(3, len(series))
    down = -(-len(series) // columns)
    with figure_of(150 * down + 20, small=small) as figure:
        grid = figure.subplots(down, columns, squeeze=False, sharex=True)
        for axes, (service, points) in zip(grid.flat, series.items(), strict=False):
            colour = colours[service]
            axes.plot(
                _dates(points),
                column(points, "p50_ns"),
                color=colour,
                marker="o",
                markersize=3,
                linewidth=1.3,
            )
            known = [point for point in points if point["p95_high_ns"]]
            if known:
                bounds = column(known, "p95_low_ns"), column(known, "p95_high_ns")
                axes.fill_between(_dates(known), *bounds, color=colour, alpha=0.25, linewidth=0)
            axes.set_title(label(f"{title_of(service)}: {points[-1]['title']}", 46), fontsize=8)
            time_axis(axes, "y")
            date_axis(axes)
        for axes in list(grid.flat)[len(series) :]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel("latency")
        return svg_of(figure)


def _dates(points: Sequence[Mapping[str, Any]]) -> Any:
    """When their baselines began; dates are an axis of their own, which the types of matplotlib do not know."""
    return [datetime.fromtimestamp(point["began_at_ns"] / _S_NS, UTC) for point in points]
