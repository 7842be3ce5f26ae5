"""
How are all rounds of all benchmarks measured?

Interleaved, in a seeded random order; each is kept the moment it ends. A service that fails costs its own rounds.
"""

from collections import defaultdict
from collections.abc import Mapping

from devperf_pipeline.measure.pacing import due, rounds_s
from devperf_pipeline.measure.plan import Plan, in_order
from devperf_pipeline.measure.progress import Watch
from devperf_pipeline.measure.recovery import Recovery, interrupted
from devperf_pipeline.measure.relogin import Relogin, refused
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.measure.steps import called

FAILURES_IN_A_ROW = 3
"""After so many rounds of a service failed one after another, the rest of its rounds is not tried."""


def run(plan: Plan, context: RunContext) -> None:
    """Measure round after round, each benchmark once in each, in an order of its own."""
    rounds = plan.profile.rounds
    of = sum(step.rounds for step in plan.samples)
    watch = Watch(rounds=rounds, of=of, tell=context.reporter.progress, clock=context.clock)
    relogin, recovery = Relogin(context), Recovery(context)
    failures: dict[str, int] = {}
    late: dict[str, dict[str, int]] = {}
    expected_s = rounds_s(plan.samples)
    ends = context.clock() + plan.profile.longest_of(expected_s)
    for number in range(1, rounds + 1):
        waiting = in_order(plan.samples, plan.seed, number)
        while waiting:
            step, wait_s = due(waiting)
            if wait_s and context.clock() + wait_s <= ends:
                context.pause(wait_s)
                continue
            waiting.remove(step)
            service = step.benchmark.service
            if context.state.states.get(service) == "failed":
                watch.dropped(1)
                continue
            if context.clock() + wait_s > ends:
                late.setdefault(service, {}).setdefault(called(step), number)
                watch.dropped(1)
                continue
            measured = context.measurer.measure(step, number)
            if step.operation.pace is not None:
                step.operation.pace.note(sum(len(each.latency_ns) for each in measured))
            if refused(measured[-1]) and relogin.entered(service, step.session):
                # Measured with a password that had been changed, it says nothing; once more with the one of now.
                context.measurer.disconnect(service)
                measured = context.measurer.measure(step, number)
            ended = context.clock()
            if interrupted(measured[-1]) and recovery.entered(service, step.session):
                ends += context.clock() - ended  # to wait for a container costs no other service its rounds
                measured = context.measurer.measure(step, number)
            last = context.keep(measured)
            failures[service] = 0 if last.latency_ns or not last.problem else failures.get(service, 0) + 1
            watch.round_done(last)
            context.check_cancelled()
            if failures[service] == FAILURES_IN_A_ROW:
                known = context.state.reasons.get(service)
                why = f"given up after {FAILURES_IN_A_ROW} rounds in a row failed: {last.problem}"
                context.state.failed(service, f"{why}; {known}" if known else why)
    for service, benchmarks in late.items():
        of_service = sum(step.benchmark.service == service for step in plan.samples)
        why = f"rounds took longer than the {expected_s:.0f} s that were planned; left out were {_named(benchmarks, of_service)}"
        context.state.note(service, why)
        context.say(f"{service}: {why}.")


def _named(late: Mapping[str, int], of_service: int) -> str:
    """The rounds that were left out: of each benchmark of a service those from the one of that number on."""
    by_round: dict[int, list[str]] = defaultdict(list)
    for name, number in late.items():
        by_round[number].append(name)
    return ", ".join(
        f"rounds from {number} on of {'all benchmarks' if len(names) == of_service else ', '.join(names)}"
        for number, names in sorted(by_round.items())
    )
