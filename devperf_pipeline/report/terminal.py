"""How do rows look in a terminal, and as CSV?"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from devperf_pipeline.report import format as show

MOST_ROWS = 200
WIDEST = 80
"""Longer words are cut: a line has to stay one line."""


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns under each other, numbers to the right; after 200 rows it says that there are more."""
    found = iter(rows)
    shown = list(islice(found, MOST_ROWS))
    more = next(found, None) is not None
    words = [[_word(value) for value in row] for row in shown]
    right = [
        any(isinstance(row[place], int | float) and not isinstance(row[place], bool) for row in shown)
        for place in range(len(columns))
    ]
    names = [show.plain(column, WIDEST) for column in columns]
    widths = [max(map(len, column)) for column in zip(names, *words, strict=True)]
    lines = [names, ["─" * width for width in widths], *words]
    text = "\n".join(
        "  ".join(
            word.rjust(width) if to_right else word.ljust(width)
            for word, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )
    return f"{text}\n… and more rows; --csv prints all of them" if more else text


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The same as CSV, one line at a time, every digit of every number."""
    for row in chain([columns], rows):
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(row)
        yield line.getvalue()


def _word(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        # Six digits: what a measurement may have, and no exponent where people look at milliseconds.
        return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return show.plain(value, WIDEST)
