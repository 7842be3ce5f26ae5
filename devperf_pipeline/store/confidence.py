"""
How well is a p95 known?

Two 95 % intervals: from the spread of the rounds' p95 where there are enough rounds,
else from the ranks of the pooled samples, which asks nothing of their distribution.
Both are computed, not looked up: Student's t from its closed form for whole degrees of freedom
(Abramowitz and Stegun, 26.7.3 and 26.7.4), the binomial by adding up its terms.
"""

import math
from collections.abc import Sequence
from functools import cache

from devperf_pipeline.model import OUTSIDE, P95_CALLS

LEAST_ROUNDS = 3

LARGEST_NS = 2**63 - 1


def from_rounds(p95s_ns: Sequence[int]) -> tuple[int, int] | None:
    """
    The t interval across rounds on log p95, back in nanoseconds; None with fewer than 3 rounds.

    It says how well the p95 repeats within this run.
    """
    if len(p95s_ns) < LEAST_ROUNDS or min(p95s_ns) <= 0:
        return None
    logs = [math.log(p95) for p95 in p95s_ns]
    mean = math.fsum(logs) / len(logs)
    variance = math.fsum((log - mean) ** 2 for log in logs) / (len(logs) - 1)
    half = t_quantile(len(logs) - 1) * math.sqrt(variance / len(logs))
    return round(math.exp(mean - half)), min(LARGEST_NS, round(math.exp(min(mean + half, 60))))


def possible(interval: tuple[int, int], *, p50_ns: int, p95_ns: int, max_ns: int) -> tuple[int, int]:
    """
    The part of an interval in which the p95 of these calls can be: it is no less than p50 and no more than the largest.

    Few rounds that differ much give a t interval that goes beyond both, or one that leaves the pooled p95 itself out:
    it is widened to hold that.
    """
    low, high = interval
    return min(max(low, p50_ns), p95_ns), max(min(high, max_ns), p95_ns)


@cache
def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with `freedom` degrees of freedom: 4.303 for 2, 2.776 for 4."""
    low, high = 0.0, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, freedom) < 0.95 else (low, middle)
    return (low + high) / 2


def _t_within(t: float, freedom: int) -> float:
    """The probability that |T| stays below `t`."""
    theta = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(theta), math.cos(theta) ** 2
    odd = freedom % 2 == 1
    term, total = (math.cos(theta), 0.0) if odd else (1.0, 0.0)
    for i in range(1, freedom // 2 + 1):
        total += term
        term *= square * (2 * i / (2 * i + 1) if odd else (2 * i - 1) / (2 * i))
    return 2 / math.pi * (theta + sine * total) if odd else sine * total


@cache
def ranks(n: int) -> tuple[int, int] | None:
    """
    Which two of `n` sorted samples hold the p95 between them with at least 95 % confidence (counted from 1).

    The narrowest ranks with at most 2.5 % outside on each side; None below 72 samples.
    """
    if n < P95_CALLS:
        return None
    share = 0.95
    # Terms more than 12 standard deviations away add up to less than a double can see.
    reach = math.ceil(12 * math.sqrt(n * share * (1 - share)))
    first = max(0, math.floor(n * share) - reach)
    log_term = (
        math.lgamma(n + 1)
        - math.lgamma(first + 1)
        - math.lgamma(n - first + 1)
        + first * math.log(share)
        + (n - first) * math.log(1 - share)
    )
    term, below, low, count = math.exp(log_term), 0.0, 1, first
    while True:
        below += term
        # Now `below` is the probability that at most `count` samples lie below the true p95.
        if below <= OUTSIDE:
            low = count + 1
        if below >= 1 - OUTSIDE:
            return low, min(n, count + 1)
        term *= (n - count) / (count + 1) * share / (1 - share)
        count += 1
