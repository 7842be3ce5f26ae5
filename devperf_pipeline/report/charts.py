"""
What do the timings look like?

Two pictures: the percentile curve of every operation of a service, up to its slowest call, and an overview
of all services on one axis.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from devperf_pipeline.report.chart_style import (
    COLOURS,
    INK,
    WIDTH,
    beside,
    colours_of,
    figure_of,
    line_key,
    svg_of,
    time_axis,
)
from devperf_pipeline.report.format import duration, label
from devperf_pipeline.report.rows import Part, Row, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY = 3
"""With fewer lines a panel is half as wide."""

_SHARES = (
    (6.0, "99.9999 %"), (5.0, "99.999 %"), (4.0, "99.99 %"), (3.0, "99.9 %"), (2.0, "99 %"), (1.0, "90 %"),
    (0.30103, "50 %"), (0.0, "min"),
)  # fmt: skip
"""How many nines of the calls a mark of the axis stands for, and what is written there."""

Curve = Sequence[tuple[float, int]]
"""Points of one benchmark: share of calls (0 to 1) that were at most so many nanoseconds."""


def latency_curve(part: Part, curves: Mapping[tuple[str, str], Curve], *, small: bool = False) -> str | None:
    """
    Every operation of a service from its fastest call to its slowest, as SVG; None where there is nothing to draw.

    One panel for each number of users. `curves` are keyed by baseline and benchmark.
    `small` fits a dialog of 450 pixels: panels below each other.
    """
    lines = [line for line in drawn(part) if len(curves.get((line.baseline_id, line.benchmark), ())) > 1]
    if not lines:
        return None
    users = sorted({line.users for line in lines})
    operations = dict.fromkeys(row.operation for row in part.rows if not row.is_floor)
    # One colour an operation of the service, whatever is drawn of it.
    colours = dict(zip(operations, cycle(COLOURS), strict=False))
    titles = {line.operation: line.title for line in lines}
    keys = [(title, colours[operation], "-") for operation, title in titles.items()]
    if any(line.instrument == "driver" for line in lines):
        keys.append(("dashed: through the driver", INK, "--"))
    columns = 2 if small else 3
    keys_height = 15 * math.ceil(len(keys) / columns) + 4
    across, down, panel = (1, len(users), 210) if small else (len(users), 1, 280)
    height = down * panel + keys_height + 14
    # One lone line needs less room than many.
    few = [sum(line.users == number for line in lines) < _MANY for number in users]
    shares = [1] if small else [1 if are_few else 2 for are_few in few]
    with figure_of(height, small=small) as figure:
        grid = figure.subplots(down, across, sharey=not small, squeeze=False, width_ratios=shares)
        widest = [(WIDTH[small] - 60) * share / sum(shares) for share in shares] * down
        for axes, number, pixels in zip(grid.flat, users, widest, strict=True):
            _curves(axes, [line for line in lines if line.users == number], curves, colours, pixels)
            axes.set_title(f"{number} user{'s' if number > 1 else ''}")
        for axes in grid[:, 0]:
            axes.set_ylabel("latency of a call")
        for axes, pixels in zip(grid[-1, :], widest, strict=False):
            axes.set_xlabel(
                "share of calls at most this slow (dot: the slowest)" if pixels > 240 else "share of calls"
            )
        figure.legend(
            handles=[line_key(label(title, 30 if small else 44), colour, dash) for title, colour, dash in keys],
            loc="lower center", ncols=columns, handlelength=1.2, columnspacing=1.4, fontsize=8.5,
        )  # fmt: skip
        return svg_of(figure, rect=(0, keys_height / height, 1, 1), w_pad=1.5)


def overview(parts: Sequence[Part], *, small: bool = False) -> str | None:
    """
    Every operation of every service on one axis, one user: p50, p95, p99 and what the instrument alone costs.

    SVG, or None where nothing valid was ever measured. `small` fits a dialog of 450 pixels.
    """
    colours = colours_of(part.service for part in parts)
    groups = [(part, [line for line in drawn(part) if line.users == 1]) for part in parts]
    groups = [(part, lines) for part, lines in groups if lines]
    if not groups:
        return None
    rows = sum(len(lines) + 1.4 for _, lines in groups)
    with figure_of(round(12.5 * rows) + 100, small=small) as figure:
        axes = figure.subplots()
        axes.grid(visible=False, axis="y")
        y = 0.0
        ticks: dict[float, str] = {}
        for part, lines in groups:
            colour = colours[part.service]
            beside(
                axes, y, label(part.title, 40), x=-0.005, ha="right", color=colour, weight="bold", fontsize=9
            )
            for line in lines:
                y += 1
                # It says so where the driver's reading stands in for the engine's.
                name = f"{line.title}, driver" if line.instrument == "driver" else line.title
                ticks[y] = label(name, 24 if small else 46)
                _range(axes, y, line, colour)
            y += 1.4
        axes.set_ylim(y - 0.8, -0.8)
        axes.set_yticks(list(ticks), list(ticks.values()))
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.tick_params(axis="x", top=True, labeltop=True)
        axes.spines["left"].set_visible(False)
        axes.spines["top"].set_visible(True)
        time_axis(axes, "x")
        # Above as well as below: what is drawn is higher than a screen.
        axes.xaxis.set_label_position("top")
        keys = (
            "latency of one call, one user: dot p50, bar p95, end of line p99,",
            "grey tick the instrument's floor; p50 in figures",
        )
        axes.set_xlabel(
            ("\n" if small else " ").join(keys), fontsize=7 if small else 8.5, x=0.3 if small else 0.5, labelpad=8
        )  # fmt: skip
        return svg_of(figure)


def drawn(part: Part) -> list[Row]:
    """The readings that a picture shows: the lines of the table without the invalid ones."""
    return [line for line, _ in shown(part.rows) if line.valid and line.p50_ns]


def _curves(
    axes: "Axes",
    lines: Sequence[Row],
    curves: Mapping[tuple[str, str], Curve],
    colours: Mapping[str, str],
    pixels: float,
) -> None:
    """One line a benchmark; the axis counts nines, so that the slowest thousandth is as wide as the first tenth."""
    furthest = 1.0
    for line in lines:
        curve = curves[line.baseline_id, line.benchmark]
        slowest = math.log10(line.n)
        furthest = max(furthest, slowest)
        across = [slowest if share >= 1 else -math.log10(1 - share) for share, _ in curve]
        up = [max(1, latency_ns) for _, latency_ns in curve]
        colour, dash = colours[line.operation], "--" if line.instrument == "driver" else "-"
        axes.plot(across, up, color=colour, linewidth=1.5, linestyle=dash)
        axes.plot(across[-1:], up[-1:], color=colour, marker="o", markersize=3.5)
    kept: dict[float, str] = {}
    for place, text in _SHARES:
        # From the slow end, which is what the axis is for; a mark without room beside the one before is left out.
        room = (min(kept, default=math.inf) - place) * pixels / (furthest + 0.2)
        if place <= furthest and room > 5 * len(text) + 8:
            kept[place] = text
    axes.set_xticks(list(kept), list(kept.values()))
    axes.set_xlim(-0.05, furthest + 0.15)
    time_axis(axes, "y")


def _range(axes: "Axes", y: float, line: Row, colour: str) -> None:
    """One operation of the overview: from p50 to the slowest percentile that its samples allow."""
    p50 = line.p50_ns or 1
    ends = [p50, *(time for time in (line.trusted_p95_ns, line.trusted_p99_ns) if time)]
    axes.plot([p50, ends[-1]], [y, y], color=colour, linewidth=1.6, alpha=0.55, solid_capstyle="butt")
    if line.trusted_p95_ns:
        axes.plot([line.trusted_p95_ns], [y], color=colour, marker="|", markersize=7, markeredgewidth=1.8)
    axes.plot([p50], [y], color=colour, marker="o", markersize=5)
    if line.floor_p50_ns:
        axes.plot([line.floor_p50_ns], [y], color=INK, marker="|", markersize=6, markeredgewidth=1)
    beside(axes, y, duration(p50), fontsize=8)
