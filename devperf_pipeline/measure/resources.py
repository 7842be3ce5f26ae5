"""What does everything that runs use at rest, and with requests in flight?"""

from collections.abc import Mapping

from devperf_pipeline.measure.collector_process import Purpose
from devperf_pipeline.measure.in_flight import MEMORY, sweep
from devperf_pipeline.measure.plan import Plan
from devperf_pipeline.measure.run_context import RunContext

SETTLE = 0.2
"""The share of the time at rest that is waited before it: what was just prepared has an end."""

COVERED = 1.3
"""Of the interval between readings: the first one ends one interval after the first look."""


def run(plan: Plan, context: RunContext) -> None:
    """
    Read everything at rest, then the services with more and more requests in flight.

    One whose requests cannot be kept in flight costs its own memory per request and nothing else.
    """
    profile = plan.profile
    context.say(f"For {profile.idle_s:.0f} s nothing is asked: what everything uses at rest is read.")
    context.pause(profile.idle_s * SETTLE)
    with context.collector.watching(Purpose(phase="idle"), profile.reading_s):
        context.pause(profile.idle_s)
    steps = [step for step in plan.in_flight if context.state.can_ask(step.service)]
    if not steps:
        return
    context.say(
        f"Memory is read while up to {steps[0].users[-1]} requests are in flight at each of "
        f"{', '.join(step.service for step in steps)}."
    )

    def read(users: int, benchmarks: Mapping[str, str]) -> None:
        purpose = Purpose(phase="held", users=users, only=benchmarks)
        with context.collector.watching(purpose, profile.reading_s):
            context.pause(profile.reading_s * COVERED)

    def failed(service: str, error: Exception) -> None:
        why = f"{MEMORY}: {error}"
        context.state.note(service, why)
        context.say(f"{service}: {why}")

    sweep(
        steps,
        settle=lambda: context.pause(profile.reading_s),
        read=read,
        failed=failed,
    )


def seconds(plan: Plan) -> float:
    """What this stage takes: a time at rest, and two intervals or so for each number of requests in flight."""
    if "resources" not in plan.stages:
        return 0.0
    steps = max((len(step.users) for step in plan.in_flight), default=0)
    return plan.profile.idle_s * (1 + SETTLE) + steps * plan.profile.reading_s * (1 + COVERED)
