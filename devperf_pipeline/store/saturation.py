"""From how many users on do more of them only wait longer?"""

from collections.abc import Sequence
from dataclasses import dataclass

NEAR_BEST = 0.9
"""A throughput above this share of the best is as good: short rounds of one load differ by about so much."""

LEAST_POINTS = 3

MUCH_LONGER = 2
"""A window that is as many times as long as all others weighs its first and last calls less, and may show more for that."""


@dataclass(frozen=True, slots=True)
class Point:
    """
    One load of a sweep: users, what they got done, how long half of the calls took at most, and who was the limit.

    `elapsed_ns` is how long it was measured.
    """

    users: int
    throughput_per_s: float
    p50_ns: int
    at_limit: bool = False
    elapsed_ns: int = 0


@dataclass(frozen=True, slots=True)
class Knee:
    """The knee, or None in both if there is none, and a sentence that says how that was seen."""

    users: int | None
    throughput_per_s: float | None
    reason: str


def knee_of(points: Sequence[Point]) -> Knee:
    """
    The smallest number of users who get done `NEAR_BEST` of the best throughput of the sweep.

    In a closed load mean latency is users / throughput, so from there on it grows at least 0.9 times as fast as the
    users do: where throughput stops, latency starts, and needs no second rule.
    When only the largest number of users came near the best, throughput was still growing and there is no knee yet.
    Where the client was the limit from the knee on, the knee is the client's and none is given.

    `points` are valid measurements in any order.
    """
    points = sorted(points, key=lambda point: point.users)
    if len(points) < LEAST_POINTS:
        return Knee(None, None, f"{len(points)} valid points of the sweep are too few to see a knee")
    best = max(points, key=lambda point: point.throughput_per_s)
    knee = next(point for point in points if point.throughput_per_s >= NEAR_BEST * best.throughput_per_s)
    last = points[-1]
    if knee is last:
        return Knee(
            None, None, f"no knee up to {last.users:,} users: throughput was still growing{_but(points)}"
        )
    if knee.at_limit:
        return Knee(
            None,
            None,
            f"the client was the limit from {_users(knee.users)} on, at {knee.throughput_per_s:,.0f} calls a second: "
            "where the service's knee is cannot be told",
        )
    return Knee(
        knee.users,
        knee.throughput_per_s,
        f"with {_users(knee.users)} {100 * knee.throughput_per_s / best.throughput_per_s:.0f} % of the best throughput "
        f"is reached; with {last.users:,} half of all calls take {last.p50_ns / knee.p50_ns:,.1f} times as long, and "
        f"{last.throughput_per_s / knee.throughput_per_s:,.2f} times as much gets done",
    )


def _but(points: Sequence[Point]) -> str:
    """The doubt in a throughput that grew at a last point which was measured for much longer than all others."""
    longest_ns = max(point.elapsed_ns for point in points[:-1])
    times = points[-1].elapsed_ns / longest_ns if longest_ns else 0
    if times < MUCH_LONGER:
        return ""
    return f", but that window was {times:.0f} times as long as the others, so part of it may be its length"


def _users(count: int) -> str:
    return f"{count:,} user{'' if count == 1 else 's'}"
