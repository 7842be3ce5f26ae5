"""
How does a service answer under sustained load, from one user to two hundred?

Each service's sustained operation is driven by more and more users, each point in one uninterrupted window.
The point of `LOAD_TEST_USERS` is the load test that the published baseline has of the APIs: 60,000 calls or 60 s,
whichever comes first, in the full profile; shorter ones are shorter in seconds, and each row says its limits.
Where a server lets in fewer users the sweep ends there, with a row that says so.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.measure import speed
from devperf_pipeline.measure.collector_process import Purpose
from devperf_pipeline.measure.engine import CALL_DEADLINE_S
from devperf_pipeline.measure.plan import Plan
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.progress import Watch
from devperf_pipeline.measure.recorder import CAPACITY
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.measure.steps import BenchmarkStep, Measurable, SweepStep
from devperf_pipeline.model import LEAST_CALLS, Benchmark, Load, Round, Service, SustainedLoad
from devperf_pipeline.services import CATALOGUE

SWEEP = (1, 2, 5, 10, 20, 50, 100, 200)

LOAD_TEST_USERS = 100

WATCHED = (50, LOAD_TEST_USERS)
"""What everything uses is read during the load test, and during the point before it: not every server lets in more."""

API_CALLS = 60_000
"""The published load tests of APIs ended after so many."""

IDLE_CORE = 0.8
"""A core that was idle for this share of a window can take another engine process."""

LONGEST_WAIT_S = CALL_DEADLINE_S / 2
"""Where an answer should take longer with so many users, many would miss the deadline of a call."""

HANG_S = 3.0
"""A service that answers nothing for longer after its load tests hangs, and it is said."""

LONGEST_HANG_S = 20.0
"""So long it is waited for."""

ASK_AGAIN_S = 0.5

FAILURES_IN_A_ROW = 2
"""After so many points without one whole window, more users would say nothing new."""


def plan(measurable: Sequence[Measurable], profile: Profile) -> list[SweepStep]:
    """The sweep of every service that has a sustained operation; they share the budget of the profile."""
    points = {one.service.name: _points(one, profile) for one in measurable}
    swept = sum(map(bool, points.values()))
    return [
        _fitted(one.service, found, (profile.sweeps_budget_s or math.inf) / swept, profile)
        for one in measurable
        if (found := points[one.service.name])
    ]


def _fitted(
    service: Service, points: Sequence[BenchmarkStep], budget_s: float, profile: Profile
) -> SweepStep:
    """The load test, and of the other points those that fit into the budget, fewest users first."""
    left_out: dict[str, list[int]] = defaultdict(list)
    taken: list[BenchmarkStep] = []
    room_s = budget_s
    # The load test is made wherever it can be, whatever it takes.
    for point in sorted(points, key=lambda each: not is_load_test(each)):
        if point.call_s > LONGEST_WAIT_S:
            why = (
                f"answers would take more than half of the {CALL_DEADLINE_S:.0f} s that a call is waited for"
            )
        elif not is_load_test(point) and point.cost.expected_s > room_s:
            room_s = 0.0  # more users take no less
            why = f"the profile {profile.name!r} has {budget_s:.0f} s for the sweep of a service; a longer one measures all"
        else:
            taken.append(point)
            room_s -= 0.0 if is_load_test(point) else point.cost.expected_s
            continue
        left_out[why].append(point.benchmark.load.users)
    return SweepStep(
        service=service,
        points=[point for point in points if point in taken],
        left_out={_titled(users): why for why, users in left_out.items()},
    )


def is_load_test(point: BenchmarkStep) -> bool:
    """Whether a point of a sweep is the load test."""
    return point.benchmark.load.users == LOAD_TEST_USERS


def _titled(users: Sequence[int]) -> str:
    return f"sustained load of {', '.join(f'{each:,}' for each in sorted(users))} users"


def _points(one: Measurable, profile: Profile) -> list[BenchmarkStep]:
    """
    The windows of one service, users rising, each with time for enough calls. Without a published number of calls a
    recorder's room ends them.

    A point that warmed up for longer than it measures would be one of warm-ups.
    """
    kind = CATALOGUE.get(one.service.kind)

    def seconds(users: int, call_s: float) -> float:
        usual_s = profile.load_test_s if users == LOAD_TEST_USERS else profile.sweep_s
        return max(usual_s, round(LEAST_CALLS * call_s / users, 3))

    return [
        BenchmarkStep(
            benchmark=Benchmark(one.service.name, operation.name, Load(users, sustained=True), "engine"),
            operation=operation,
            session=one.session,
            seconds=seconds(users, call_s := one.speed.call_s(operation, users)),
            warmup_s=min(profile.warmup_s, profile.sweep_s / 2),
            limit_calls=API_CALLS if kind and kind.role == "api" else CAPACITY,
            call_s=call_s,
        )
        for operation in one.operations
        if operation.sustained and operation.wire is not None
        for users in SWEEP
    ]


def run(plan: Plan, context: RunContext) -> None:
    """Measure the sweep of every service that has one, one service after the other."""
    context.measurer.disconnect()  # what idle connections cost a server is not part of its load test
    sweeps = [step for step in plan.sweeps if context.state.can_ask(step.service.name)]
    of = sum(len(step.points) for step in sweeps)
    watch = Watch(rounds=1, of=of, tell=context.reporter.progress, clock=context.clock)
    for step in sweeps:
        users = _sweep(step, plan, context, watch)
        if users:
            why = f"{_titled(users)}: its sweep took longer than the {step.cost.expected_s:.0f} s that were planned"
            context.state.note(step.service.name, why)
            context.say(f"{step.service.name} was not measured under a {why}.")
        context.measurer.disconnect(step.service.name)
        if step.points and context.state.can_ask(step.service.name):
            _wait_for(step, context)


def _wait_for(step: SweepStep, context: RunContext) -> None:
    """Wait until a service answers again that hangs after its load tests, for `LONGEST_HANG_S`, and say so."""
    asked, name, began = step.points[0], step.service.name, context.clock()
    while not (answers := speed.answers(asked.session, asked.operation)):
        if context.clock() - began > LONGEST_HANG_S:
            break
        context.pause(ASK_AGAIN_S)
    hung_s = context.clock() - began
    if not answers:
        why = (
            f"after its load tests it answered nothing for {hung_s:.0f} s, and was not waited for any longer"
        )
        context.state.note(name, why)
        context.say(f"{name}: {why}.")
    elif hung_s > HANG_S + speed.CALLS * asked.call_s:
        context.say(
            f"{name}: after its load tests it answered nothing for {hung_s:.0f} s, and was waited for."
        )


def engines_after(found: SustainedLoad, room: Callable[[int], bool]) -> int:
    """How many engine processes ask the next users: one more where the client was the limit and a core was idle."""
    more = found.engine_processes + 1
    spare = found.idle_cores is not None and found.idle_cores >= IDLE_CORE
    return more if found.at_limit and spare and room(more) else found.engine_processes


def _sweep(step: SweepStep, plan: Plan, context: RunContext, watch: Watch) -> list[int]:
    """One service's sweep. Returns the users for whom no time was left."""
    engines, failures, ends = 1, 0, context.clock() + plan.profile.longest_of(step.cost.expected_s)
    left_out: list[int] = []
    for place, point in enumerate(step.points):
        users = point.benchmark.load.users
        if not is_load_test(point) and context.clock() > ends:
            left_out.append(users)
            watch.dropped(1)
            continue
        purpose = Purpose(phase="load", benchmark=point.benchmark.id, users=users)
        around = (
            partial(context.collector.watching, purpose, plan.profile.reading_s)
            if users in WATCHED
            else nullcontext
        )
        last = context.keep(context.measurer.measure(point, 1, min(engines, users), around))
        watch.round_done(last)
        context.check_cancelled()
        failures = failures + 1 if last.problem else 0
        if _ends(last) or failures == FAILURES_IN_A_ROW:
            untried = len(step.points) - place - 1
            watch.dropped(untried)
            _tell_end(context, last, untried=untried, fewer_were_fine=place > 0 and failures == 1)
            break
        if last.sustained:
            engines = engines_after(last.sustained, context.placement.room)
    return left_out


def _tell_end(context: RunContext, last: Round, *, untried: int, fewer_were_fine: bool) -> None:
    """Say where a sweep ends. That a server lets in only so many is a setting of its, no fault; the row has its words."""
    service, users = last.benchmark.service, last.benchmark.load.users
    if fewer_were_fine and _ends(last) and (last.problem or "").startswith(ServiceRefused.__name__):
        context.say(f"{service} lets in fewer than {users:,} users at once; its sweep of users ends there.")
    elif untried:
        context.say(f"{service}: the sweep of users ends at {users:,}: {last.problem}")


def _ends(last: Round) -> bool:
    """Whether no call could be made at all, as where a server lets in fewer users."""
    return bool(last.problem) and not last.latency_ns
