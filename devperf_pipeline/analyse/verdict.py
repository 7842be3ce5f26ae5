"""
Did a benchmark change between two baselines? Slower, faster, no change, cannot tell, not comparable, or invalid.

Rounds are the unit: a test over pooled calls calls everything changed. Two runs differ more than the rounds within
one do, so the floor that a difference must exceed comes from repeat baselines of the same machine where there are
three, and is assumed to be wide until then. Figures are the median of the rounds' p50 and the least of their p95.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from devperf_pipeline.store.confidence import t_quantile

Word = Literal["slower", "faster", "no change", "cannot tell", "not comparable", "invalid"]
Metric = Literal["p50", "p95"]

LEAST_ROUNDS = 3
"""Fewer quiet rounds say nothing of how far they spread."""

LEAST_ROUNDS_UNKNOWN = 5
"""Where no repeats say how far runs differ: so many of each side lie apart by chance once in 126 times."""

LEAST_CHANGE = math.log(1.05)
"""A smaller change is not worth a word, however sure it is."""

NEGLIGIBLE = math.log(1.10)
"""What might still hide behind "no change"."""

LEAST_REPEATS = 3

FIRM_REPEATS = 8
"""With fewer repeat baselines a verdict is provisional."""

ASSUMED_FLOOR = math.log(1.5)
"""What two runs may differ by, as long as too few repeats say how much these do."""


MOST_DRIFT = math.log(1.2)
"""Where the median of all benchmarks moved by more, the machine moved, and no service is blamed for moving with it."""

LEAST_FOR_DRIFT = 10
"""Of fewer benchmarks, half may have changed by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A benchmark in one baseline: `values_ns` are its quiet rounds' figures, of `rounds` that it had."""

    valid: bool
    invalid_reason: str | None
    placement: str
    rounds: int
    values_ns: Sequence[int]


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many repeat baselines there are, and the standard deviation of the logarithm of their figures."""

    count: int
    sd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    One word, and what stands behind it.

    `ratio` is after / before (1.1: 10 % slower), None where nothing was compared. `visible` is the smallest ratio
    above 1 that could have been told. `reason` says why there is no comparison; `repeats` how many baselines told how
    far runs differ, `provisional` that these are few.
    """

    word: Word
    before_ns: int | None = None
    after_ns: int | None = None
    ratio: float | None = None
    visible: float | None = None
    repeats: int = 0
    provisional: bool = False
    reason: str | None = None


def judge(metric: Metric, before: Side, after: Side, repeats: Repeats) -> Verdict:
    """
    The verdict on one metric of one benchmark in two baselines of one machine.

    Changed: the difference exceeds the floor and 5 %; where the floor is only assumed, five rounds or more of one lie
    beyond all of the other, too. No change: even difference and floor together stay below 10 %. Else it cannot be told.
    """
    for side, when in ((before, "before"), (after, "now")):
        if not side.valid:
            return Verdict(word="invalid", reason=f"{when}: {side.invalid_reason or 'no reason was stored'}")
    if before.placement != after.placement:
        return Verdict(
            word="not comparable", reason=f"placed {before.placement} before, {after.placement} now"
        )
    for side, when in ((before, "before"), (after, "now")):
        if len(side.values_ns) < LEAST_ROUNDS:
            return Verdict(
                word="cannot tell",
                reason=f"fewer than {LEAST_ROUNDS} of its rounds were long and quiet enough {when}",
            )
    old, new = figure(metric, before.values_ns), figure(metric, after.values_ns)
    change = math.log(new / old)
    enough = min(len(before.values_ns), len(after.values_ns)) >= LEAST_ROUNDS_UNKNOWN
    known = repeats.count >= LEAST_REPEATS and repeats.sd is not None
    between = _between(repeats) if known else ASSUMED_FLOOR
    floor = max(between, math.hypot(_within(before.values_ns), _within(after.values_ns)))
    apart = known or (
        enough
        and (max(before.values_ns) < min(after.values_ns) or max(after.values_ns) < min(before.values_ns))
    )
    word: Word = "cannot tell"
    if abs(change) > max(floor, LEAST_CHANGE) and apart:
        word = "slower" if change > 0 else "faster"
    elif abs(change) + floor < NEGLIGIBLE:
        word = "no change"
    return Verdict(
        word=word,
        before_ns=old,
        after_ns=new,
        ratio=math.exp(change),
        visible=math.exp(max(floor, LEAST_CHANGE)),
        repeats=repeats.count,
        provisional=repeats.count < FIRM_REPEATS,
    )


def drift(ratios: Sequence[float]) -> float | None:
    """By how much all benchmarks together moved: the median of their p50 ratios; None of too few."""
    return statistics.median(ratios) if len(ratios) >= LEAST_FOR_DRIFT else None


def beside(verdict: Verdict, drifted: float | None) -> Verdict:
    """
    The same verdict, or that it cannot be told, where it changed no otherwise than the whole machine did: what it
    changed by beyond all the others is no more than could be seen, or they all moved by far.
    """
    if verdict.word not in {"slower", "faster"} or drifted is None:
        return verdict
    assert verdict.ratio is not None
    assert verdict.visible is not None
    change, moved = math.log(verdict.ratio), math.log(drifted)
    beyond = abs(change) - abs(moved) > math.log(verdict.visible)
    if change * moved <= 0 or (abs(moved) <= MOST_DRIFT and beyond):
        return verdict
    return replace(verdict, word="cannot tell", reason="it moved with all the others, so the machine did")


def figure(metric: Metric, values_ns: Sequence[int]) -> int:
    """What stands for all rounds: the median of p50, the least p95 (tails only ever get longer by what disturbs them)."""
    return round(statistics.median(values_ns)) if metric == "p50" else min(values_ns)


def _between(repeats: Repeats) -> float:
    """How far two runs of an unchanged service lie apart, in logarithms, 19 times of 20."""
    assert repeats.sd is not None
    return t_quantile(repeats.count - 1) * math.sqrt(2) * repeats.sd


def _within(values_ns: Sequence[int]) -> float:
    """Half the width of the 95 % interval across one run's rounds, in logarithms."""
    logs = [math.log(value) for value in values_ns]
    return t_quantile(len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
