"""
How steep is a line through a few points, and how well is that known?

Theil-Sen: the median of the slopes between all pairs of points. One wild point moves it little, and its interval asks
nothing of how errors are distributed: it goes by the ranks of the pairs' slopes (Kendall's distribution).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope, and the ends of its interval of at least 95 %; they are None below 5 points, which cannot give one."""

    value: float
    low: float | None
    high: float | None


def slope(points: Sequence[tuple[float, float]]) -> Slope | None:
    """The slope of y by x through points (x, y); None where all have the same x."""
    slopes = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x1 != x2)
    if not slopes:
        return None
    dropped = _dropped(len(points))
    if dropped is None or len(slopes) <= 2 * dropped:
        return Slope(median(slopes), None, None)
    return Slope(median(slopes), slopes[dropped], slopes[-1 - dropped])


def _dropped(n: int) -> int | None:
    """
    How many of the pairs' slopes lie outside of the interval on each side; None if n points cannot give one.

    Without a trend every order of the points is as likely; of the n! orders those are counted that have at most so
    many pairs the wrong way round.
    """
    counts = [1]
    for size in range(2, n + 1):
        # One more point stands before 0 to size - 1 of the others.
        longer = [0] * (len(counts) + size - 1)
        for inversions, count in enumerate(counts):
            for more in range(size):
                longer[inversions + more] += count
        counts = longer
    total, below, dropped = sum(counts), 0, None
    for inversions, count in enumerate(counts):
        below += count
        if below / total > (1 - CONFIDENCE) / 2:
            return dropped
        dropped = inversions
    return dropped
