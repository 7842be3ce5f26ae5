"""
How do implementations, loads and baselines look beside each other?

Ranking with intervals, throughput and latency over users, a load test over its time, a benchmark over baselines.
A service has the same colour in all of them.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report.chart_style import FINE, colour_of, colours_of, figure_of, svg_of, time_axis
from devperf_pipeline.report.format import duration, label, throughput
from devperf_pipeline.services import role_of, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from devperf_pipeline.analyse.judgements import Reading

WIDTH = 860
LEAST_BASELINES = 3
"""A history of fewer says nothing that the table of changes does not."""

WHISKER = "#24292f"
"""Dark enough to stand out from every bar; a white edge keeps it apart from a dark page."""

_S_NS = 1_000_000_000
_MIB = 1 << 20


def ranking_bars(places: "Sequence[Reading]") -> str | None:
    """One bar an implementation up to its p95, with the bounds of p95 as a line, p50 as a dot; None with fewer than two."""
    if len(places) < 2:
        return None
    height = 26 * len(places) + 62
    with figure_of(WIDTH, height) as figure:
        axes = figure.subplots()
        furthest = max(max(place.p95_ns or 0, place.p95_high_ns or 0) for place in places)
        scale, unit = _unit(furthest)
        for y, place in enumerate(places):
            colour = colour_of(place.service)
            p95 = (place.p95_ns or 0) / scale
            axes.barh([y], [p95], color=colour, height=0.58, alpha=0.75)
            if place.p95_low_ns is not None and place.p95_high_ns is not None:
                ends = [place.p95_low_ns / scale, place.p95_high_ns / scale]
                # Light below dark: seen on the bar and beside it, on a white page and on a dark one.
                for shade, wider in (("white", 2.0), (WHISKER, 0.0)):
                    axes.plot(
                        ends, [y, y], color=shade, linewidth=1.4 + wider, marker="|", markersize=7 + wider,
                        markeredgewidth=1.2 + wider,
                    )  # fmt: skip
            if place.p50_ns is not None:
                axes.plot(
                    [place.p50_ns / scale],
                    [y],
                    marker="o",
                    markersize=5,
                    color="white",
                    markeredgecolor=WHISKER,
                )
            axes.text(
                1.005, y, duration(place.p95_ns), transform=axes.get_yaxis_transform(), va="center", fontsize=8.5
            )  # fmt: skip
        axes.set_yticks(range(len(places)), [label(title_of(place.service), 40) for place in places])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(places) - 0.4, -0.6)
        axes.set_xlim(0, furthest / scale * 1.04)
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        axes.set_xlabel(
            f"latency of one call, one user, {unit}: bar p95, line its 95 % bounds, dot p50; p95 in figures"
        )
        figure.tight_layout()
        return svg_of(figure)


def sweep(tests: Sequence[Mapping[str, Any]], *, small: bool = False) -> str | None:
    """
    Throughput and p95 over the number of users, one line a service; a column for the APIs, one for the others.

    None without two loads of one service. `small` fits a dialog of 450 pixels: panels below each other.
    """
    lines: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in tests:
        if one["valid"] and one["throughput_per_s"] and one["p95_ns"]:
            lines.setdefault((one["service"], one["operation"]), []).append(one)
    lines = {
        key: sorted(points, key=lambda point: point["users"])
        for key, points in lines.items()
        if len(points) > 1
    }
    panels = [
        (title, {key: points for key, points in lines.items() if (role_of(key[0]) == "api") is api})
        for title, api in (("APIs", True), ("databases, caches, queues", False))
    ]
    panels = [(title, chosen) for title, chosen in panels if chosen]
    if not panels:
        return None
    keys = max(len(chosen) for _, chosen in panels)
    across = 1 if small else len(panels)
    down = 2 * len(panels) // across
    height = down * (190 if small else 200) + 17 * keys * (len(panels) // across)
    with figure_of(440 if small else WIDTH, height) as figure:
        grid = figure.subplots(down, across, squeeze=False)
        for place, (title, chosen) in enumerate(panels):
            row, column = divmod(place, across)
            above, below = grid[2 * row, column], grid[2 * row + 1, column]
            colours = colours_of({service for service, _ in chosen})
            for (service, _), points in chosen.items():
                users = [point["users"] for point in points]
                name = label(f"{title_of(service)}, {points[0]['title'] or points[0]['operation']}", 48)
                style: dict[str, Any] = {
                    "color": colours[service],
                    "marker": "o",
                    "markersize": 4,
                    "label": name,
                }
                above.plot(users, [point["throughput_per_s"] for point in points], **style)
                below.plot(users, [point["p95_ns"] for point in points], **style)
            above.set_yscale("log")
            _rate_axis(above)
            time_axis(below, "y")
            above.set_ylabel("calls by the second")
            below.set_ylabel("p95 of a call")
            for axes in (above, below):
                _users_axis(axes, sorted({point["users"] for points in chosen.values() for point in points}))
            above.set_title(title, fontsize=9, loc="left")
            below.set_xlabel("users at once")
            below.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), frameon=False, fontsize=8)
        figure.align_ylabels()
        figure.tight_layout()
        return svg_of(figure)


def timeline(
    service: str, users: int, latency: Sequence[Mapping[str, Any]], use: Sequence[Mapping[str, Any]]
) -> str | None:
    """
    One load test over its time: p50 and p95 of each piece of it, below them CPU and memory of the service.

    None without readings of both.
    """
    if len(latency) < 2 or len(use) < 2:
        return None
    began_ns = min(latency[0]["at_ns"], use[0]["at_ns"])
    colour = colour_of(service)
    with figure_of(WIDTH, 380) as figure:
        above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1.2, 1))
        seconds = [(row["at_ns"] - began_ns) / _S_NS for row in latency]
        above.plot(seconds, [row["p95_ns"] for row in latency], color=colour, linewidth=1.5, label="p95")
        above.plot(
            seconds,
            [row["p50_ns"] for row in latency],
            color=colour,
            linewidth=1.2,
            linestyle="--",
            label="p50",
        )
        time_axis(above, "y")
        above.set_ylabel("latency", labelpad=9)
        above.legend(loc="upper right", frameon=False, ncols=2, fontsize=8, bbox_to_anchor=(1, 1.2))
        above.set_title(f"{label(title_of(service), 50)}, {users} users", fontsize=9, loc="left")
        at = [(row["at_ns"] - began_ns) / _S_NS for row in use]
        cpu = [float("nan") if row["cpu_percent"] is None else row["cpu_percent"] for row in use]
        middle.plot(at, cpu, color=colour, linewidth=1.3)
        middle.set_ylabel("CPU, % of\none core")
        middle.set_ylim(0, _room_above(cpu))
        rss = [float("nan") if row["rss_bytes"] is None else row["rss_bytes"] / _MIB for row in use]
        below.plot(at, rss, color=colour, linewidth=1.3)
        below.set_ylabel("RSS, MiB")
        below.set_ylim(0, _room_above(rss))
        below.set_xlabel("seconds since the load test began")
        for axes in (middle, below):
            axes.grid(visible=True)
            axes.set_axisbelow(True)
        figure.align_ylabels()
        figure.tight_layout()
        return svg_of(figure)


def history(rows: Sequence[Mapping[str, Any]], *, small: bool = False) -> str | None:
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
    with figure_of(440 if small else WIDTH, 150 * down + 20) as figure:
        grid = figure.subplots(down, columns, squeeze=False, sharex=True)
        for axes, (service, points) in zip(grid.flat, series.items(), strict=False):
            when = [datetime.fromtimestamp(point["began_at_ns"] / _S_NS, UTC) for point in points]
            colour = colour_of(service)
            axes.plot(
                when,
                [point["p50_ns"] for point in points],
                color=colour,
                marker="o",
                markersize=3,
                linewidth=1.3,
            )  # pyright: ignore[reportArgumentType] - dates are an axis of their own
            known = [(at, point) for at, point in zip(when, points, strict=True) if point["p95_high_ns"]]
            if known:
                axes.fill_between(
                    [at for at, _ in known],  # pyright: ignore[reportArgumentType] - the same
                    [point["p95_low_ns"] for _, point in known],
                    [point["p95_high_ns"] for _, point in known],
                    color=colour, alpha=0.25, linewidth=0,
                )  # fmt: skip
            axes.set_title(label(f"{title_of(service)}: {points[-1]['title']}", 46), fontsize=8, loc="left")
            time_axis(axes, "y")
        for axes in list(grid.flat)[len(series) :]:
            axes.set_visible(False)
        _date_axis(list(grid.flat)[: len(series)])
        for axes in grid[:, 0]:
            axes.set_ylabel("latency")
        figure.tight_layout()
        return svg_of(figure)


def _rate_axis(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # noqa: PLC0415 - see drawing.py

    low, high = axes.get_ylim()
    wide = high / low
    subs = (1.0,) if wide > 300 else (1.0, 3.0) if wide > 20 else (1.0, 2.0, 5.0) if wide > 5 else FINE
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: throughput(rate).removesuffix("/s")))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(visible=True)
    axes.set_axisbelow(True)


def _users_axis(axes: "Axes", users: Sequence[int]) -> None:
    """A mark at each number of users that was measured, and at no other."""
    from matplotlib.ticker import NullLocator  # noqa: PLC0415 - see drawing.py

    axes.set_xscale("log")
    axes.set_xticks(users, [str(number) for number in users])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(visible=True)


def _date_axis(panels: "Sequence[Axes]") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - see drawing.py

    for axes in panels:
        locator = AutoDateLocator(minticks=2, maxticks=4)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.tick_params(axis="x", labelbottom=True, labelsize=7.5)


def _room_above(values: Sequence[float]) -> float:
    """The end of an axis from 0 that leaves the highest of these room."""
    return 1.15 * max((value for value in values if not math.isnan(value)), default=0.0) or 1.0


def _unit(time_ns: int) -> tuple[float, str]:
    return (1e6, "ms") if time_ns >= 1e6 else (1e3, "µs")
