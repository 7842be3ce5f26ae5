"""
How is a whole baseline measured?

Open every service, prepare it, plan, run the stages that are asked for, clean up whatever happens.
A dry run does the same up to the plan, and creates nothing. A service that fails costs its own rows and nothing else.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TypeVar

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.measure import load_tests, resources, samples, speed
from devperf_pipeline.measure.cleaning import clean_and_close
from devperf_pipeline.measure.forecast import PREPARE_S, forecast
from devperf_pipeline.measure.plan import Plan, RunOptions
from devperf_pipeline.measure.planning import planned
from devperf_pipeline.measure.recovery import Recovery
from devperf_pipeline.measure.run_context import Cancelled, RunContext, RunState
from devperf_pipeline.measure.steps import Measurable
from devperf_pipeline.measure.tools import stage as tools
from devperf_pipeline.model import Baseline, Service, Stack, Stage, Tool
from devperf_pipeline.services import CATALOGUE, as_reached
from devperf_pipeline.services.operation import Session
from devperf_pipeline.services.own_operations import learnt

Answer = TypeVar("Answer")

STAGES: Mapping[Stage, Callable[[Plan, RunContext], None]] = {
    "resources": resources.run,
    "samples": samples.run,
    "load_tests": load_tests.run,
    "tools": tools.run,
}
"""
What a run does, in this order, each only where it is asked for.

A stage raises `Cancelled` where somebody asked to stop; what had ended is kept.
"""


def new_id(now_s: float) -> str:
    """An id for a baseline that sorts by time: `20261125T031500Z-3f9a`."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now_s))}-{secrets.token_hex(2)}"


def measure(context: RunContext, options: RunOptions) -> Baseline:
    """
    Measure the running stack of a run; returns the baseline as it ended: per service what became of it, and why.

    Raises `Cancelled` where somebody asked to stop. Rounds that were kept stay kept, clean-up was done.
    """
    stack, state, began_s, began_at_s = context.stack, context.state, time.monotonic(), time.time()
    with ExitStack() as at_the_end:
        sessions = _opened(stack, options, state)
        at_the_end.push(partial(_clean_and_close, sessions, context))
        at_the_end.callback(context.close)
        _each(sessions, state, lambda session: session.prepare())
        # Some servers know their own figures only seconds after their start, so the last thing before the plan.
        facts = _each(sessions, state, lambda session: session.facts())
        facts = {
            name: as_reached(context.stack.service(name), told).with_settings(context.containers.facts(name))
            for name, told in facts.items()
        }
        plan = _planned(
            context.stack, options, sessions, state, absent=tools.find_tools()[1], began_s=began_s
        )
        for service in plan.unmeasurable:
            state.states[service] = "measured"
            if unmeasurable := plan.unmeasurable[service]:
                state.note(service, "; ".join(f"{title}: {why}" for title, why in unmeasurable.items()))
        for service, became in state.states.items():
            if became == "failed":
                context.say(f"{service} will not be measured: {state.reasons[service]}")
        expected = forecast(plan)
        context.say(f"Takes about {expected}.")
        baseline = Baseline(
            id=new_id(began_at_s),
            stack=stack.name,
            profile=options.profile.name,
            seed=options.seed,
            began_at_ns=int(began_at_s * 1e9),
            forecast_s=round(expected.measuring_s, 1),
            host=context.host,
            facts=facts,
            answers={name: sessions[name].answers for name in plan.unmeasurable if sessions[name].answers},
            operations=plan.titles,
            plans=plan.explained,
            refused={name: told for name in plan.unmeasurable if (told := sessions[name].unmeasurable)},
            services=[service.name for service in stack.services],
        )
        context.sink.begin(baseline)
        recovery = Recovery(context)
        for stage, run in STAGES.items():
            if stage in plan.stages:
                run(plan, context)
                recovery.look(sessions)
        ended = replace(
            baseline, ended_at_ns=time.time_ns(), states=dict(state.states), reasons=dict(state.reasons)
        )
        context.sink.finish(ended)
    return ended


def dry_run(stack: Stack, options: RunOptions) -> Plan:
    """The plan of a run: sessions are opened and say what they would do; no object is created, nothing is measured."""
    state, began_s = RunState(), time.monotonic()
    with ExitStack() as at_the_end:
        sessions = _opened(stack, options, state)
        for session in sessions.values():
            at_the_end.callback(session.close)
        _each(sessions, state, lambda session: session.assume())
        # Of a stack of ours a baseline gets the tools that are missing before it begins.
        absent = {} if stack.managed else tools.find_tools()[1]
        plan = _planned(stack, options, sessions, state, absent=absent, began_s=began_s)
    return replace(plan, asked_s=plan.asked_s + PREPARE_S * len(plan.unmeasurable))


def _planned(
    stack: Stack,
    options: RunOptions,
    sessions: Mapping[str, Session],
    state: RunState,
    *,
    absent: Mapping[Tool, str],
    began_s: float,
) -> Plan:
    """The plan, from what the sessions that are left say; `absent` are tools that will not be here, and why."""

    def told(session: Session) -> Measurable:
        service = next(stack.service(name) for name, one in sessions.items() if one is session)
        operations = [*session.operations(), *learnt(session, service)]
        return Measurable(
            service=service,
            session=session,
            operations=operations,
            objects=session.objects(),
            speed=speed.ask(session, operations),
        )

    measurable = [*_each(sessions, state, told).values()]
    return planned(
        stack,
        options,
        measurable,
        absent=absent,
        asked_s=time.monotonic() - began_s,
        problems=dict(state.reasons),
    )


def _opened(stack: Stack, options: RunOptions, state: RunState) -> dict[str, Session]:
    """Open every service at the same time: several that do not answer cost one deadline, not one each."""

    def attempt(service: Service) -> Session | str:
        try:
            return CATALOGUE[service.kind].open_session(stack.with_behind(service))
        except ServiceError as error:
            return str(error)

    services = options.wanted(stack)
    here = [service for service in services if service.name not in stack.missing]
    with ThreadPoolExecutor(max_workers=max(1, len(here))) as pool:
        opened = dict(zip((service.name for service in here), pool.map(attempt, here), strict=True))
    sessions: dict[str, Session] = {}
    for service in services:
        session = opened.get(service.name)
        if session is None:
            state.states[service.name] = "skipped"
            state.reasons[service.name] = stack.missing[service.name]
        elif isinstance(session, str):
            state.failed(service.name, session)
        else:
            sessions[service.name] = session
    return sessions


def _each(
    sessions: Mapping[str, Session], state: RunState, ask: Callable[[Session], Answer]
) -> dict[str, Answer]:
    """What every session says that has not failed before; one that fails now is not measured."""
    answers: dict[str, Answer] = {}
    for service, session in sessions.items():
        if service in state.states:
            continue
        try:
            answers[service] = ask(session)
        except (ServiceError, OSError, *session.exceptions) as error:
            state.failed(service, f"{type(error).__name__}: {error}")
    return answers


def _clean_and_close(
    sessions: Mapping[str, Session],
    context: RunContext,
    kind: type[BaseException] | None,
    _error: BaseException | None,
    _traceback: TracebackType | None,
) -> None:
    """Who interrupts or cancels a run waits for seconds; what else ends it leaves time to remove our objects."""
    hurried = kind is not None and (issubclass(kind, Cancelled) or not issubclass(kind, Exception))
    clean_and_close(sessions, stack=context.stack.name, say=context.say, hurried=hurried)
