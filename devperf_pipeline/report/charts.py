"""
What do the timings look like?

Two pictures: the percentile curve of every operation of a service, up to its slowest call, and an overview
of all services on one axis.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from devperf_pipeline.report.chart_style import COLOURS, INK, colour_of, figure_of, svg_of, time_axis
from devperf_pipeline.report.format import duration, label
from devperf_pipeline.report.rows import Part, Row, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY = 3
"""With fewer lines a panel is half as wide."""

Curve = Sequence[tuple[float, int]]
"""Points of one benchmark: share of calls (0 to 1) that were at most so many nanoseconds."""


def latency_curve(part: Part, curves: Mapping[tuple[str, str], Curve], *, small: bool = False) -> str | None:
    """
    Every operation of a service from its fastest call to its slowest, as SVG; None where there is nothing to draw.

    One panel for each number of users. `curves` are keyed by baseline and benchmark.
    `small` fits a dialog of 450 pixels: panels below each other.
    """
    lines = [line for line in drawn(part) if len(curves.get((line.baseline_id, line.benchmark), ())) > 1]
    users = sorted({line.users for line in lines})
    if not lines:
        return None
    colours = _colours(part)
    dashed = any(line.instrument == "driver" for line in lines)
    keys = len({line.operation for line in lines}) + dashed
    columns = 2 if small else 3
    keys_height = 15 * math.ceil(keys / columns) + 4
    width, panel = (440, 210) if small else (860, 280)
    across, down = (1, len(users)) if small else (len(users), 1)
    height = down * panel + keys_height + 14
    with figure_of(width, height) as figure:
        # One lone line needs less room than many.
        counts = [sum(line.users == number for line in lines) for number in users]
        ratios = [1 if small or count < _MANY else 2 for count in counts]
        shares = ratios if across > 1 else [1]
        grid = figure.subplots(down, across, sharey=not small, squeeze=False, width_ratios=shares)
        widest = [(width - 60) * share / sum(shares) for share in shares] * down
        for axes, number, pixels in zip(grid.flat, users, widest, strict=True):
            chosen = [line for line in lines if line.users == number]
            _curves(axes, chosen, curves, colours, pixels)
            axes.set_title(f"{number} user{'s' if number > 1 else ''}", fontsize=9, loc="left")
        for axes in grid[:, 0]:
            axes.set_ylabel("latency of a call")
        for axes, pixels in zip(grid[-1, :], widest, strict=False):
            axes.set_xlabel(
                "share of calls at most this slow (dot: the slowest)" if pixels > 240 else "share of calls"
            )
        figure.tight_layout(rect=(0, keys_height / height, 1, 1), w_pad=1.5)
        names = {line.operation: line.title for line in lines}
        handles = [_key(title, colours[operation], small=small) for operation, title in names.items()]
        if dashed:
            handles.append(_key("dashed: through the driver", INK, "--", small=small))
        figure.legend(
            handles=handles,
            loc="lower center",
            ncols=columns,
            frameon=False,
            handlelength=1.2,
            columnspacing=1.4,
        )
        return svg_of(figure)


def overview(parts: Sequence[Part], *, small: bool = False) -> str | None:
    """
    Every operation of every service on one axis, one user: p50, p95, p99 and what the instrument alone costs.

    SVG, or None where nothing valid was ever measured. `small` fits a dialog of 450 pixels.
    """
    groups = [(part, [line for line in drawn(part) if line.users == 1]) for part in parts]
    groups = [(part, lines) for part, lines in groups if lines]
    if not groups:
        return None
    rows = sum(len(lines) + 1.4 for _, lines in groups)
    width, height = 440 if small else 860, round(12.5 * rows) + 100
    with figure_of(width, height) as figure:
        axes = figure.subplots()
        y = 0.0
        ticks: dict[float, str] = {}
        for part, lines in groups:
            colour = colour_of(part.service)
            axes.text(
                -0.005, y, label(part.title, 40), transform=axes.get_yaxis_transform(),
                ha="right", va="center", color=colour, weight="bold", fontsize=9,
            )  # fmt: skip
            for line in lines:
                y += 1
                ticks[y] = label(_name(line), 24 if small else 46)
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
            ("\n" if small else " ").join(keys),
            fontsize=7 if small else 8.5,
            x=0.3 if small else 0.5,
            labelpad=8,
        )
        figure.tight_layout()
        return svg_of(figure)


def drawn(part: Part) -> list[Row]:
    """The readings that a picture shows: the lines of the table without the invalid ones."""
    return [line for line, _ in shown(part.rows) if line.valid and line.p50_ns]


def _name(line: Row) -> str:
    """An operation of the overview; it says so where the driver's reading stands in for the engine's."""
    return f"{line.title}, driver" if line.instrument == "driver" else line.title


def _curves(
    axes: "Axes",
    lines: Sequence[Row],
    curves: Mapping[tuple[str, str], Curve],
    colours: Mapping[str, str],
    pixels: float,
) -> None:
    """One line a benchmark; the axis counts nines, so that the slowest thousandth is as wide as the first tenth."""
    furthest = 0.0
    for line in lines:
        curve = curves[line.baseline_id, line.benchmark]
        slowest = math.log10(line.n)
        across = [slowest if share >= 1 else -math.log10(1 - share) for share, _ in curve]
        furthest = max(furthest, slowest)
        up = [max(1, latency_ns) for _, latency_ns in curve]
        colour = colours[line.operation]
        axes.plot(
            across, up, color=colour, linewidth=1.5, linestyle="--" if line.instrument == "driver" else "-"
        )
        axes.plot(across[-1:], up[-1:], color=colour, marker="o", markersize=3.5)
    places = {
        0.0: "min",
        0.30103: "50 %",
        1.0: "90 %",
        2.0: "99 %",
        3.0: "99.9 %",
        4.0: "99.99 %",
        5.0: "99.999 %",
        6.0: "99.9999 %",
    }
    kept: dict[float, str] = {}
    for place, text in reversed(places.items()):
        # From the slow end, which is what the axis is for; a mark without room beside the one before is left out.
        room = (min(kept, default=math.inf) - place) * pixels / (max(furthest, 1) + 0.2)
        if place <= max(furthest, 1) and room > 5 * len(text) + 8:
            kept[place] = text
    axes.set_xticks(list(kept), list(kept.values()))
    axes.set_xlim(-0.05, max(furthest, 1) + 0.15)
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
    axes.text(1.005, y, duration(p50), transform=axes.get_yaxis_transform(), va="center", fontsize=8)


def _key(title: str, colour: str, dash: Literal["-", "--"] = "-", *, small: bool) -> Any:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - see drawing.py

    return Line2D([], [], color=colour, linestyle=dash, linewidth=2, label=label(title, 30 if small else 44))


def _colours(part: Part) -> dict[str, str]:
    """One colour an operation of a service, whatever is drawn of it."""
    names = dict.fromkeys(row.operation for row in part.rows if not row.is_floor)
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
