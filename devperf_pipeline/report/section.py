"""Which tables and charts are handed to the templates? Their text is Markdown that is ready to be printed."""

from collections.abc import Sequence
from dataclasses import dataclass

from devperf_pipeline.report.format import file_name


@dataclass(frozen=True, slots=True)
class Table:
    """A Markdown table whose cells are ready to be printed. `rule` aligns: ":--" left, "--:" right."""

    head: Sequence[str]
    rule: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def markdown(self) -> str:
        """Its lines."""
        return "\n".join(f"| {' | '.join(line)} |" for line in (self.head, self.rule, *self.rows))


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


def columns(*heads: str, words: int = 1) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Head and rule of a table whose first `words` columns are words and whose others are numbers."""
    return heads, (*(":--",) * words, *("--:",) * (len(heads) - words))
