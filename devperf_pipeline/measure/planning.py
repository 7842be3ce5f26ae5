"""
How does the plan of a run come about, from what the sessions say and how fast they answer?

The same for a run and a dry run. First all that is not rounds: these get the time that is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from devperf_pipeline.measure import in_flight, load_tests
from devperf_pipeline.measure.budget import fitted
from devperf_pipeline.measure.forecast import forecast
from devperf_pipeline.measure.pacing import paced
from devperf_pipeline.measure.plan import Plan, RunOptions, benchmarks
from devperf_pipeline.measure.steps import InFlightStep, Measurable
from devperf_pipeline.measure.tools import stage as tools
from devperf_pipeline.model import Stack, Tool


def planned(
    stack: Stack,
    options: RunOptions,
    measurable: Sequence[Measurable],
    *,
    absent: Mapping[Tool, str],
    asked_s: float,
    problems: Mapping[str, str],
) -> Plan:
    """
    The plan for those services that can be measured; `problems` says why others are not.

    `absent` are tools that will not be here, and why, `asked_s` is as in `Plan`.
    """
    asked = [
        (benchmark, operation, one.session, one.speed)
        for one in options.chosen("samples", measurable)
        for benchmark, operation in benchmarks(one.service.name, one.operations)
    ]
    profile = options.profile.fitted(len(asked))
    held = {one.service.name: in_flight.plan(one, profile) for one in options.chosen("resources", measurable)}
    asked_with_tools = options.chosen("tools", measurable)
    besides = Plan(
        profile=profile,
        seed=options.seed,
        stages=list(options.stages),
        services=[service.name for service in options.wanted(stack)],
        in_flight=[step for step in held.values() if isinstance(step, InFlightStep)],
        sweeps=load_tests.plan(options.chosen("load_tests", measurable), profile),
        tools=[tools.plan(one, profile, absent, managed=stack.managed) for one in asked_with_tools],
        titles={
            f"{one.service.name}/{operation.name}": operation.title
            for one in measurable
            for operation in one.operations
        }
        | tools.titles(asked_with_tools),
        explained={
            f"{one.service.name}/{operation.name}": operation.plan
            for one in measurable
            for operation in one.operations
            if operation.plan
        },
        objects={one.service.name: one.objects for one in measurable},
        asked_s=asked_s,
        problems=problems,
        unmeasurable={one.service.name: one.session.unmeasurable for one in measurable},
    )
    besides_s = forecast(besides).whole_s
    slow, late = paced([one for one in asked if one[1].pace], profile, besides_s=besides_s)
    free, left_out = fitted([one for one in asked if not one[1].pace], profile, besides_s=besides_s)
    not_held = {name: {in_flight.MEMORY: why} for name, why in held.items() if isinstance(why, str)}
    not_swept = {step.service.name: step.left_out for step in besides.sweeps}
    return replace(
        besides,
        samples=[*free, *slow],
        unmeasurable={
            name: {
                **known,
                **not_held.get(name, {}),
                **left_out.get(name, {}),
                **late.get(name, {}),
                **not_swept.get(name, {}),
            }
            for name, known in besides.unmeasurable.items()
        },
    )
