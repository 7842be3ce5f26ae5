"""
What do all pictures share: colours, a blank sheet, an axis of time?

SVG, the same bytes for the same data, readable on a light and on a dark page.
matplotlib is imported when the first picture is drawn: it takes longer than everything else here together.
"""

import base64
import io
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from devperf_pipeline.services import CATALOGUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#768390"
"""Text and axes: about 4:1 on white as well as on a dark page."""

COLOURS = (
    "#3f8fd2",
    "#e0823d",
    "#2fa37c",
    "#cf5f9a",
    "#8f75d6",
    "#b39420",
    "#d4555f",
    "#3aa6b9",
    "#7d9440",
    "#a9795a",
    "#6a7fb0",
    "#c06fd0",
    "#5b9c4c",
    "#5f6be8",
)
"""Mid-tones that keep apart from each other, from white and from black."""


def colour_of(service: str) -> str:
    """The colour of a service: the same in every picture, unless there another has it already."""
    # Of APIs with names of their own, those that differ by one letter or number, as versions do, differ in colour.
    place = list(CATALOGUE).index(service) if service in CATALOGUE else sum(service.encode())
    return COLOURS[place % len(COLOURS)]


def colours_of(services: Iterable[str]) -> dict[str, str]:
    """
    The colours of services that are drawn across each other: their own, or where another one has that already the next
    that is free. A service of the catalogue keeps its own.
    """
    chosen: dict[str, str] = {}
    for service in sorted(services, key=lambda name: (name not in CATALOGUE, name)):
        own = COLOURS.index(colour_of(service))
        in_turn = [*COLOURS[own:], *COLOURS[:own]]
        chosen[service] = next((one for one in in_turn if one not in chosen.values()), in_turn[0])
    return chosen


_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "devperf",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
}
FINE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Marks of an axis that spans less than a decade: two of them at least are on it."""

_INCH = 72
_POINTS = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt"')


@contextmanager
def figure_of(width: int, height: int) -> Iterator["Figure"]:
    """An empty transparent figure of that many pixels, in our style, known to no global state of matplotlib."""
    import matplotlib as mpl  # noqa: PLC0415 - see the module's docstring
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width / _INCH, height / _INCH), dpi=_INCH)
        figure.patch.set_alpha(0)
        yield figure


def svg_of(figure: "Figure") -> str:
    """The picture as text. Without date and program: the same data gives the same bytes."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 - see the module's docstring

    for axes in figure.axes:
        axes.patch.set_alpha(0)
    out = io.StringIO()
    # What `savefig` ends with; before, it would lay out and draw everything once more for nothing.
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": None})
    # Points are what matplotlib writes; a page would show them a third larger than the pixels that were asked for.
    drawing = _POINTS.sub(r'width="\1" height="\2"', out.getvalue(), count=1)
    # Verdana has the widths that the layout was made with.
    return drawing.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")


def time_axis(axes: "Axes", which: str) -> None:
    """A log axis in the units people read, marked at 1, 10, 100, and the more between them the less it spans."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # noqa: PLC0415 - see the module's docstring

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    decades = math.log10(high / low)
    axis.set_major_locator(
        LogLocator(subs=(1.0,) if decades > 1.5 else (1.0, 2.0, 5.0) if decades > 0.7 else FINE)
    )
    axis.set_major_formatter(FuncFormatter(lambda time_ns, _: _tick(time_ns)))
    axis.set_minor_locator(NullLocator())  # marks without a number: half of the time that a picture takes
    axes.grid(visible=True, axis="x" if which == "x" else "both")
    axes.set_axisbelow(True)


def _tick(time_ns: float) -> str:
    for unit, size_ns in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if time_ns >= size_ns:
            return f"{time_ns / size_ns:g} {unit}"
    return f"{time_ns:g} ns"


def inline(about: str, chart: str) -> str:
    """A picture as Markdown that needs no file beside it."""
    return f"![{about}](data:image/svg+xml;base64,{base64.b64encode(chart.encode()).decode()})"
