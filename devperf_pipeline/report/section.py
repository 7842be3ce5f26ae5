"""
What is a section of a report made of?

Blocks in the order in which they are read. All text is Markdown that is ready to be printed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from devperf_pipeline.report.format import file_name


@dataclass(frozen=True, slots=True)
class Table:
    """A Markdown table whose cells are ready to be printed. `rule` aligns: ":--" left, "--:" right."""

    head: Sequence[str]
    rule: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Lines:
    """A list, one point each."""

    points: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture. `about` is what it shows, for those who do not see it; `name` becomes its file's."""

    about: str
    name: str
    svg: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{file_name(self.name)}.svg"


def drawn(about: str, name: str, svg: str | None) -> Chart | None:
    """A picture where there is something to see; None otherwise."""
    return Chart(about, name, svg) if svg else None


Block = str | Table | Lines | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it. `level` 2 is a part of the report, 3 a part of that."""

    title: str
    blocks: Sequence[Block]
    level: int = 2


def columns(*heads: str, words: int = 1) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Head and rule of a table whose first `words` columns are words and whose others are numbers."""
    return heads, (*(":--",) * words, *("--:",) * (len(heads) - words))
