"""
Which benchmarks fit into the time that a profile has, and how long are their rounds?

What answers fast is measured as long as the profile says. What answers slowly gets as many calls as it needs: at first
as few as say something of it, the cheapest benchmarks first, then enough for a p95, then enough in each round. What
does not fit is left out, and named.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.speed import Speed
from devperf_pipeline.measure.steps import BenchmarkStep, benchmark_step, called, together
from devperf_pipeline.model import LEAST_CALLS, P95_CALLS, Benchmark
from devperf_pipeline.services.operation import Operation, Session

LEAST_ROOM = 0.1
"""What answers slowly has at least this share of a profile's time, however much all else takes."""

Asked = tuple[Benchmark, Operation, Session, Speed]
"""A benchmark that is asked for, and how fast its service is."""


def calls_of_round(rounds: int) -> tuple[int, int, int]:
    """How many calls a round has: the fewest, enough for a p95 of all rounds, and enough for a median of its own."""
    for_p95 = math.ceil(P95_CALLS / rounds)
    return math.ceil(LEAST_CALLS / rounds), for_p95, max(LEAST_CALLS, for_p95)


def fitted(
    asked: Sequence[Asked], profile: Profile, *, besides_s: float
) -> tuple[list[BenchmarkStep], dict[str, dict[str, str]]]:
    """
    The steps of the interleaved rounds, and by service what is left out and why.

    The profile is as it fits so many benchmarks.

    `besides_s` is what all else of the run takes.
    """
    lengths = [_lengths(one, profile) for one in asked]
    # What has its fewest calls in the seconds of the profile is measured in any case.
    chosen = [these[0] if these[0].seconds <= profile.seconds else None for these in lengths]
    spent_s = together(step.cost for step in chosen if step).expected_s
    longest_s = profile.longest_s or math.inf
    room_s = max(longest_s - besides_s - spent_s, LEAST_ROOM * longest_s)
    for level in range(max(map(len, lengths), default=0)):
        slow = [place for place, these in enumerate(lengths) if len(these) > 1]
        for place in sorted(slow, key=lambda place: _order(lengths[place][level])):
            if level and not chosen[place]:
                continue
            more_s = _cost_s(lengths[place][level]) - _cost_s(chosen[place])
            if more_s <= room_s:
                chosen[place], room_s = lengths[place][level], room_s - more_s
    steps = [step for step in chosen if step]
    return steps, _left_out([one for one, step in zip(lengths, chosen, strict=True) if not step], profile)


def _lengths(asked: Asked, profile: Profile) -> list[BenchmarkStep]:
    """As long as the profile says where that has time for enough calls in each round; else by rising numbers of calls."""
    benchmark, operation, session, speed = asked
    numbers = calls_of_round(profile.rounds_of(benchmark))
    rising = [
        benchmark_step(benchmark, operation, session, profile, speed=speed, calls=calls) for calls in numbers
    ]
    return rising if rising[-1].seconds > profile.seconds else rising[-1:]


def _order(step: BenchmarkStep) -> tuple[bool, float]:
    """What the service does comes before what an application feels, what costs less before what costs more."""
    return step.benchmark.instrument == "driver", step.cost.expected_s


def _cost_s(step: BenchmarkStep | None) -> float:
    return step.cost.expected_s if step else 0.0


def _left_out(lengths: Sequence[list[BenchmarkStep]], profile: Profile) -> dict[str, dict[str, str]]:
    """By service one sentence about all that does not fit."""
    of: dict[str, list[BenchmarkStep]] = defaultdict(list)
    for these in lengths:
        of[these[0].benchmark.service].append(these[0])
    return {
        service: {
            ", ".join(
                map(called, steps)
            ): f"{LEAST_CALLS} calls of each would take {_range(steps)}, which does not "
            f"fit into the {profile.longest_s:.0f} s of the profile {profile.name!r}. A longer profile measures all"
        }
        for service, steps in of.items()
    }


def _range(steps: Sequence[BenchmarkStep]) -> str:
    least, most = (f"{which(map(_cost_s, steps)):.0f}" for which in (min, max))
    return f"{least} s" if least == most else f"{least} to {most} s"
