"""
What do all pictures share: colours, a blank sheet, axes of times and rates?

SVG, the same bytes for the same data, readable on a light and on a dark page.
matplotlib is imported when the first picture is drawn: it takes longer than everything else here together.
"""

import base64
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from devperf_pipeline.report.format import throughput
from devperf_pipeline.services import CATALOGUE, kind_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INK = "#768390"
"""Text and axes: about 4:1 on white as well as on a dark page."""

COLOURS = (
    "#3f8fd2", "#e0823d", "#2fa37c", "#cf5f9a", "#8f75d6", "#b39420", "#d4555f",
    "#3aa6b9", "#7d9440", "#a9795a", "#6a7fb0", "#c06fd0", "#5b9c4c", "#5f6be8",
    "#9b8a7c",
)  # fmt: skip
"""Mid-tones that keep apart from each other, from white and from black."""


def colours_of(services: Iterable[str]) -> Mapping[str, str]:
    """
    The colour of each service of a stack, the same in all pictures of it.

    One that is called by its kind alone has the kind's; every other one the next after it that fewest have.
    """
    kinds = list(CATALOGUE)
    chosen: dict[str, str] = {}
    for service in sorted(services, key=lambda name: (name not in CATALOGUE, name)):
        kind = kind_of(service)
        own = kinds.index(kind.name) % len(COLOURS) if kind else 0
        taken = Counter(chosen.values())
        chosen[service] = min((*COLOURS[own:], *COLOURS[:own]), key=lambda colour: taken[colour])
    return chosen


_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "devperf",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.parse_math": False,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
_FINE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Marks of an axis that spans less than a decade: two of them at least are on it."""

_TIMES = ((32, (1.0,)), (5, (1.0, 2.0, 5.0)))
_RATES = ((300, (1.0,)), (20, (1.0, 3.0)), (5, (1.0, 2.0, 5.0)))
"""Marks within each decade of an axis whose ends are more than so many times apart."""

WIDTH = {False: 860, True: 440}
"""Pixels, of a page and of what is small: a dialog of 450 pixels."""

_INCH = 72
_POINTS = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt"')


@contextmanager
def figure_of(height: int, *, small: bool = False) -> Iterator["Figure"]:
    """An empty transparent figure, so many pixels high, in our style, known to no global state of matplotlib."""
    import matplotlib as mpl  # noqa: PLC0415 - see the module's docstring
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH[small] / _INCH, height / _INCH), dpi=_INCH)
        figure.patch.set_alpha(0)
        yield figure


def svg_of(figure: "Figure", **layout: Any) -> str:
    """The picture as text, laid out tightly. Without date and program: the same data gives the same bytes."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 - see the module's docstring

    figure.tight_layout(**layout)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    out = io.StringIO()
    # What `savefig` ends with; before, it would lay out and draw everything once more for nothing.
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": None})
    # Points are what matplotlib writes; a page would show them a third larger than the pixels that were asked for.
    drawing = _POINTS.sub(r'width="\1" height="\2"', out.getvalue(), count=1)
    # Verdana has the widths that the layout was made with.
    return drawing.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")


def time_axis(axes: "Axes", which: Literal["x", "y"]) -> None:
    """A log axis in the units people read, marked at 1, 10, 100, and the more between them the less it spans."""
    _log_axis(axes, which, _tick, _TIMES)


def rate_axis(axes: "Axes") -> None:
    """The same upwards for calls by the second."""
    _log_axis(axes, "y", lambda rate: throughput(rate).removesuffix("/s"), _RATES)


def _log_axis(
    axes: "Axes",
    which: Literal["x", "y"],
    write: Callable[[float], str],
    marks: Sequence[tuple[int, Sequence[float]]],
) -> None:
    from matplotlib.ticker import LogLocator  # noqa: PLC0415 - see the module's docstring

    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log"})
    low, high = axis.get_view_interval()
    axis.set_major_locator(
        LogLocator(subs=next((subs for apart, subs in marks if high / low > apart), _FINE))
    )
    axis.set_major_formatter(lambda value, _: write(value))
    axis.minorticks_off()  # marks without a number: half of the time that a picture takes


def date_axis(axes: "Axes") -> None:
    """A few dates below, which panels that share them all show."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - see the module's docstring

    locator = AutoDateLocator(minticks=2, maxticks=4)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.tick_params(axis="x", labelbottom=True, labelsize=7.5)


def beside(axes: "Axes", y: float, text: str, *, x: float = 1.005, **style: Any) -> None:
    """Words beside a line of the picture: to the right of the axes, which are 1 wide."""
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", **style)


def line_key(text: str, colour: str, dash: str) -> "Line2D":
    """What a line of this colour means, for a legend."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - see the module's docstring

    return Line2D([], [], color=colour, linestyle=dash, linewidth=2, label=text)  # pyright: ignore[reportArgumentType] - "--" as a str


def column(rows: Iterable[Mapping[str, Any]], name: str, scale: float = 1, less: float = 0) -> list[float]:
    """Values of a column as they are drawn; a gap where one is unknown."""
    return [math.nan if row[name] is None else (row[name] - less) / scale for row in rows]


def _tick(time_ns: float) -> str:
    for unit, size_ns in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if time_ns >= size_ns:
            return f"{time_ns / size_ns:g} {unit}"
    return f"{time_ns:g} ns"


def inline(about: str, chart: str) -> str:
    """A picture as Markdown that needs no file beside it."""
    return f"![{about}](data:image/svg+xml;base64,{base64.b64encode(chart.encode()).decode()})"
