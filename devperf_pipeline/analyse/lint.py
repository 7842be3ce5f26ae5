"""
Where do figures contradict each other, in what others published and in our own tables?

The arithmetic is SQL (`store/sql/lint_*.sql`), so that the view `lint` gives the same rows to any client.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection

PUBLISHED = "published "
"""How the source of a publication begins; all others are baselines of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """
    One place where figures contradict each other.

    `source` is "published <name>" or the id of a baseline, `place` a table and row or a benchmark.
    `expected` is what the other figures say, in the unit of `found`; None where the rule has no one number.
    """

    source: str
    place: str
    rule: str
    expected: float | None
    found: float | None
    sentence: str

    @property
    def published(self) -> bool:
        """Whether somebody else wrote it."""
        return self.source.startswith(PUBLISHED)


def contradictions(con: "Connection") -> Sequence[Contradiction]:
    """
    All of them, publications first.

    Raises:
        StoreError: the warehouse cannot be read.

    """
    rows = cast("list[dict[str, Any]]", query(con, "report_lint"))
    return [Contradiction(**row) for row in rows]
