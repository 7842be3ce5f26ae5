"""
What is measured at the pace of a rate limit, and when is it a step's turn?

A round of such a step has few calls and no warm-up but the first; until the limit allows them, others are measured.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from devperf_pipeline.measure.budget import Asked, calls_of_round
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.steps import BenchmarkStep, benchmark_step, called, together
from devperf_pipeline.services.operation import Pace


def paced(
    asked: Sequence[Asked], profile: Profile, *, besides_s: float
) -> tuple[list[BenchmarkStep], dict[str, dict[str, str]]]:
    """
    Of benchmarks that a limit allows few calls of the steps that fit into the time, and by service what is left out and
    why.

    With enough calls for a p95 where all fit so, else with as few as say something of their median. `besides_s` is what
    all else but rounds takes.
    """
    room_s = (profile.longest_s or math.inf) - besides_s
    of: dict[Pace, list[Asked]] = defaultdict(list)
    for one in asked:
        assert one[1].pace is not None
        of[one[1].pace].append(one)
    taken: list[BenchmarkStep] = []
    left_out: dict[str, dict[str, str]] = {}
    for pace, those in of.items():
        least, for_p95, _ = calls_of_round(profile.rounds)
        for calls in (for_p95, least + 1):
            steps = [
                benchmark_step(benchmark, operation, session, profile, paced_calls=calls)
                for benchmark, operation, session, _ in those
            ]
            if waiting_s(steps) <= room_s:
                break
        late: list[BenchmarkStep] = []
        while waiting_s(steps) > room_s:
            late.append(steps.pop())
        if late:
            why = (
                f"a rate limit allows {pace.calls} calls in {pace.seconds:g} s, too few for {calls} calls a round in the "
                f"{profile.longest_s:.0f} s of the profile {profile.name!r}. A longer profile measures all"
            )
            left_out.setdefault(late[0].benchmark.service, {})[", ".join(map(called, late))] = why
        taken += steps
    return taken, left_out


def waiting_s(steps: Iterable[BenchmarkStep]) -> float:
    """How long it takes until limits have let through all calls of these steps; what is made meanwhile takes no more."""
    calls: dict[Pace, int] = defaultdict(int)
    for step in steps:
        if step.operation.pace is not None:
            calls[step.operation.pace] += 1 + step.rounds * step.paced_calls
    # What a window allows is there at once.
    return max(
        (pace.seconds * max(0, math.ceil(number / pace.calls) - 1) for pace, number in calls.items()),
        default=0.0,
    )


def rounds_s(steps: Sequence[BenchmarkStep]) -> float:
    """How long the rounds of all steps take, with what they wait for."""
    return max(together(step.cost for step in steps).expected_s, waiting_s(steps))


def due(steps: Sequence[BenchmarkStep]) -> tuple[BenchmarkStep, float]:
    """The first step whose turn it is, or where all have to wait the one that waits least, and how long."""
    waits = [
        (step, step.operation.pace.wait_s(step.paced_calls + 1) if step.operation.pace else 0.0)
        for step in steps
    ]
    return next((each for each in waits if not each[1]), min(waits, key=lambda each: each[1]))
