"""How do rows look in a terminal, and as CSV?"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from rich.box import Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from devperf_pipeline.report import format as show

MOST_ROWS = 200
WIDEST = 80
"""Longer words are cut: a line has to stay one line."""

UNBOUNDED = 100_000
"""The width of what is no terminal: nothing is wrapped there."""

RULE = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
"""A line under the names of the columns, and no other."""


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns under each other, numbers to the right; after 200 rows it says that there are more."""
    found = iter(rows)
    shown = list(islice(found, MOST_ROWS))
    drawn = Table(box=RULE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        is_number = any(
            isinstance(row[place], int | float) and not isinstance(row[place], bool) for row in shown
        )
        drawn.add_column(Text(show.plain(column, WIDEST)), justify="right" if is_number else "left")
    for row in shown:
        drawn.add_row(*(Text(_word(value)) for value in row))
    text = _drawn(drawn, UNBOUNDED)
    more = next(found, None) is not None
    return f"{text}\n… and more rows; --csv prints all of them" if more else text


def listing(rows: Iterable[tuple[str, Sequence[object]]]) -> str:
    """Names, and beside each the lines that are told of it; in a terminal they are wrapped beside their name."""
    drawn = Table.grid(padding=(0, 2, 0, 0))
    for name, lines in rows:
        told = "\n".join(show.plain(line, UNBOUNDED) for line in lines)
        drawn.add_row(Text(show.plain(name)), Text(told))
    here = Console()
    return _drawn(drawn, here.width if here.is_terminal else UNBOUNDED)


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The same as CSV, one line at a time, every digit of every number."""
    for row in chain([columns], rows):
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(row)
        yield line.getvalue()


def _drawn(drawn: Table, width: int) -> str:
    """A table as text without colours: foreign words in it are `Text`, in which nothing is markup."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n"))


def _word(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        # Six digits: what a measurement may have, and no exponent where people look at milliseconds.
        return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return show.plain(value, WIDEST)
