"""
How is a whole baseline measured?

Open every service, prepare it, run the stages that are wished for, keep each round the moment it ends, clean up
whatever happens. The stage "samples" is here: all rounds of all benchmarks, interleaved in a seeded random order.
One service that fails costs its own rows and nothing else.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.measure import load_tests
from devperf_pipeline.measure.cpu_affinity import Placement
from devperf_pipeline.measure.plan import Item, Profile, in_order, items, profile_named
from devperf_pipeline.measure.progress import Progress, Watch
from devperf_pipeline.measure.relogin import entered_anew, refused
from devperf_pipeline.measure.resources import read_at_rest_and_held
from devperf_pipeline.measure.rounds import Measurer
from devperf_pipeline.measure.run_context import Cancelled, RunContext, Sink
from devperf_pipeline.measure.tools import stage as tools
from devperf_pipeline.model import Baseline, Service, Stack, Stage
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Session

FAILURES_IN_A_ROW = 3
"""After so many rounds of a service failed one after another, the rest of its rounds is not tried."""

ASK_EVERY_S = 1.0
"""Whether to stop is asked this often: it may cost a look into a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """
    What is to be measured and how: services (all of the stack if none are named), profile, seed of the order.

    `stages` says what is done, with which of these services (all of them if none are named there).
    """

    profile: Profile
    services: tuple[str, ...] = ()
    stages: Mapping[Stage, tuple[str, ...]] = field(default_factory=lambda: {"samples": ()})
    seed: int = field(default_factory=lambda: secrets.randbelow(2**31))


def options_of(profile: str, stages: Mapping[Stage, tuple[str, ...]], seconds: float) -> RunOptions:
    """
    The options that these words say: a profile by its name, what is done with which services, and the seconds of each
    round, 0 for the profile's.

    Raises:
        ConfigurationError: there is no such profile.

    """
    found = profile_named(profile)
    return RunOptions(
        profile=replace(found, seconds=seconds, budget_s=None) if seconds else found,
        services=tuple(dict.fromkeys(service for those in stages.values() for service in those)),
        stages={stage: those for stage, those in stages.items() if those},
    )


def new_id(now_s: float) -> str:
    """An id for a baseline that sorts by time: `20261125T031500Z-3f9a`."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now_s))}-{secrets.token_hex(2)}"


def measure(
    stack: Stack,
    options: RunOptions,
    *,
    host: Mapping[str, str],
    sink: Sink,
    processes: Callable[[str], list[int]] = lambda _: [],
    tell: Callable[[Progress], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    reread: Callable[[str], Service | None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Baseline:
    """
    Measure a running stack.

    Args:
        stack: what is measured, with addresses and credentials.
        options: what of it, and how.
        host: what machine this is.
        sink: where each round goes as soon as it is measured.
        processes: main processes of a service of a stack that we started ourselves; they are placed on cores.
        tell: hears of progress after each round.
        say: hears, before the first round, which services cannot be measured, and why.
        reread: asked for a service, as it is described now, when it refuses; None: its credentials are kept nowhere.
        cancelled: asked between rounds, at most once a second.

    Returns:
        The baseline as it ended: per service measured, failed or skipped, and why.

    Raises:
        Cancelled: `cancelled` said so. Rounds that were kept stay kept, clean-up was done.

    """
    wanted = [
        service for service in stack.services if not options.services or service.name in options.services
    ]
    placement = Placement(lambda: [pid for service in stack.services for pid in processes(service.name)])
    with ExitStack() as at_the_end:
        context = RunContext(
            stack=stack,
            profile=options.profile,
            placement=placement,
            measurer=Measurer(options.profile, placement),
            sink=sink,
            seed=options.seed,
            stages=options.stages,
            processes=processes,
            say=say,
            reread=reread,
            check_cancelled=_checker(cancelled),
        )
        at_the_end.callback(context.close)
        _open(wanted, stack, context, at_the_end)
        now = time.time()
        planned = _prepare(context)
        for service, state in context.states.items():
            if state == "failed":
                say(f"{service} will not be measured: {context.reasons[service]}")
        baseline = Baseline(
            id=new_id(now),
            stack=stack.name,
            profile=options.profile.name,
            seed=options.seed,
            began_at_ns=int(now * 1e9),
            host=host,
            facts=context.facts,
            answers=context.answers,
            operations={
                **{f"{i.benchmark.service}/{i.operation.name}": i.operation.title for i in planned},
                **tools.titles(context),
            },
        )
        sink.begin(baseline)
        at_the_end.callback(placement.release)
        context.planned = [item for item in planned if item.benchmark.service in context.chosen("samples")]
        context.profile = options.profile.fitted(len(context.planned))
        context.measurer = Measurer(context.profile, placement)
        at_the_end.callback(context.measurer.disconnect)
        for stage, run in STAGES.items():
            if stage in options.stages:
                run(context, tell)
        ended = replace(
            baseline, ended_at_ns=time.time_ns(), states=dict(context.states), reasons=dict(context.reasons)
        )
        sink.finish(ended)
    return ended


def _checker(cancelled: Callable[[], bool]) -> Callable[[], None]:
    """What raises `Cancelled` once somebody asked to stop; it asks at most once a second."""
    asked = time.monotonic()

    def check() -> None:
        nonlocal asked
        if time.monotonic() - asked > ASK_EVERY_S:
            asked = time.monotonic()
            if cancelled():
                raise Cancelled("The run was asked to stop. Every round that had ended is kept.")

    return check


def _open(services: Sequence[Service], stack: Stack, context: RunContext, at_the_end: ExitStack) -> None:
    """Open every service at the same time: several that do not answer cost one deadline, not one each."""

    def attempt(service: Service) -> Session | str:
        try:
            return CATALOGUE[service.kind].open_session(service)
        except ServiceError as error:
            return str(error)

    here = [service for service in services if service.name not in stack.missing]
    with ThreadPoolExecutor(max_workers=max(1, len(here))) as pool:
        opened = dict(zip((service.name for service in here), pool.map(attempt, here), strict=True))
    for service in services:
        session = opened.get(service.name)
        if session is None:
            context.states[service.name], context.reasons[service.name] = (
                "skipped",
                stack.missing[service.name],
            )
        elif isinstance(session, str):
            context.failed(service.name, session)
        else:
            at_the_end.callback(session.close)
            at_the_end.callback(_clean, session)
            context.sessions[service.name], context.services[service.name] = session, service


def _clean(session: Session) -> None:
    """Remove our objects; where the service is gone there is nothing more that we could do, and the next context will."""
    with suppress(ServiceError, OSError, *session.exceptions):
        session.clean()


def _prepare(context: RunContext) -> list[Item]:
    """Lay in our objects, ask for facts, name the benchmarks. One that fails here is not measured."""
    planned: list[Item] = []
    for step in ("prepare", "facts"):  # some servers know their own figures only seconds after their start
        for service, session in context.sessions.items():
            if service in context.states:
                continue
            try:
                if step == "prepare":
                    session.prepare()
                    continue
                context.facts[service] = session.facts()
                planned += items(service, session)
            except (ServiceError, OSError, *session.exceptions) as error:
                context.failed(service, f"{type(error).__name__}: {error}")
            else:
                context.states[service] = "measured"
                if session.answers:
                    context.answers[service] = session.answers
                if session.unmeasurable:
                    context.reasons[service] = "; ".join(
                        f"{title}: {why}" for title, why in session.unmeasurable.items()
                    )
    return planned


def _interleave(context: RunContext, tell: Callable[[Progress], None]) -> None:
    """Round after round, each benchmark once in each, in an order of its own; each is kept the moment it ends."""
    rounds = context.profile.rounds
    of = sum(context.profile.rounds_of(item.benchmark) for item in context.planned)
    watch = Watch(rounds=rounds, of=of, tell=tell)
    failures: dict[str, int] = {}
    for number in range(1, rounds + 1):
        for item in in_order(context.planned, context.seed, number):
            service = item.benchmark.service
            if number > context.profile.rounds_of(item.benchmark):
                continue
            if failures.get(service, 0) >= FAILURES_IN_A_ROW:
                watch.dropped(1)
                continue
            measured = context.measurer.measure(item, number)
            if refused(measured[-1]) and entered_anew(context, service):
                # Measured with a password that had been changed, it says nothing; once more with the one of now.
                context.measurer.disconnect(service)
                measured = context.measurer.measure(item, number)
            last = measured[-1]
            if last.latency_ns or not last.problem:
                failures[service] = 0
            else:
                failures[service] = failures.get(service, 0) + 1
            for one in measured:
                if one.phase == "measured" or one.latency_ns:
                    context.sink.keep(one)
            watch.round_done(last)
            context.check_cancelled()
            if failures[service] == FAILURES_IN_A_ROW:
                why = f"; {context.reasons[service]}" if service in context.reasons else ""
                context.failed(
                    service, f"given up after {FAILURES_IN_A_ROW} rounds in a row failed: {last.problem}{why}"
                )


STAGES: Mapping[Stage, Callable[[RunContext, Callable[[Progress], None]], None]] = {
    "resources": read_at_rest_and_held,
    "samples": _interleave,
    "load_tests": load_tests.run,
    "tools": tools.measure,
}
"""What a run does, in this order, each only where it is wished for."""
