"""
What would a baseline create, ask and take? Told without creating anything.

Sessions are opened and asked what they would do; no object is made, no call is measured.
"""

import math
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.measure import in_flight, load_tests
from devperf_pipeline.measure.plan import BETWEEN_S, WARMING_S, Item, Profile, items
from devperf_pipeline.measure.rounds import FIRST_CALLS, LEAST_PREPARED
from devperf_pipeline.measure.run import RunOptions
from devperf_pipeline.measure.steady_state import BLOCK_S
from devperf_pipeline.measure.tools.dry_run import ToolsAsked, foreseen
from devperf_pipeline.measure.tools.stage import RUNS, find_tools
from devperf_pipeline.model import Service, Stack, Tool
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    One benchmark: its id, how long it is asked, and how often at most.

    `measured_s` are all its rounds; `expected_s` adds warm-ups and what lies between, `longest_s` is the most that they
    may take. `most_calls` counts warm-ups too: where calls consume something, as much is laid in before each round.
    None: only the seconds bound them, since nobody knows how fast the service is.
    """

    benchmark: str
    measured_s: float
    expected_s: float
    longest_s: float
    most_calls: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """
    The load tests of one service: users of each point, seconds that they are asked, the most that they may take with
    warm-ups, and the most calls that end them.
    """

    users: Sequence[int]
    measured_s: float
    longest_s: float
    most_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """
    One service: the objects that would be made, and removed again, its benchmarks, and what it is asked beside them;
    or why it would not be measured.

    `held` is how many requests are held open at most, 0 where none is. `objects` has the tools' too.
    """

    service: str
    objects: Sequence[str] = ()
    benchmarks: Sequence[Asked] = ()
    held: int = 0
    swept: Swept | None = None
    tools: ToolsAsked = field(default_factory=ToolsAsked)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Told:
    """What a session said: objects, the plan of its benchmarks and load tests, how many requests it can hold, the tools."""

    objects: Sequence[str]
    planned: Sequence[Item]
    swept: Sequence[Item]
    held: int
    tools: ToolsAsked


def foresee(stack: Stack, options: RunOptions) -> tuple[Profile, list[Foreseen]]:
    """What measuring a running stack would do, service by service, and the profile as it fits so many benchmarks."""
    wanted = [
        service for service in stack.services if not options.services or service.name in options.services
    ]
    # Of a stack of ours a baseline gets the tools that are missing before it begins.
    tools = set(RUNS) if stack.managed else set(find_tools()[0])
    told = {service.name: _asked_of(service, stack, options, tools) for service in wanted}
    planned = {name: found for name, found in told.items() if not isinstance(found, str)}
    profile = options.profile.fitted(sum(len(found.planned) for found in planned.values()))
    share_s = (profile.sweeps_budget_s or math.inf) / max(
        1, sum(bool(found.swept) for found in planned.values())
    )
    return profile, [
        Foreseen(service=service.name, problem=found)
        if isinstance(found, str)
        else Foreseen(
            service=service.name,
            objects=[*found.objects, *found.tools.objects],
            benchmarks=[_asked(item, profile) for item in found.planned],
            held=found.held,
            swept=_swept(service, found.swept, profile, share_s),
            tools=found.tools,
        )
        for service in wanted
        for found in [told[service.name]]
    ]


def _asked_of(service: Service, stack: Stack, options: RunOptions, tools: Collection[Tool]) -> _Told | str:
    """What a service would be asked, or why it would not be measured."""
    if service.name in stack.missing:
        return stack.missing[service.name]
    try:
        session: Session = CATALOGUE[service.kind].open_session(service)
    except ServiceError as error:
        return str(error)
    stages = {stage for stage, those in options.stages.items() if not those or service.name in those}
    with closing(session):
        try:
            session.assume()
            holds = any(one.held and one.wire for one in session.operations())
            return _Told(
                objects=list(session.objects()),
                planned=items(service.name, session) if "samples" in stages else [],
                swept=load_tests.sweep(service.name, session) if "load_tests" in stages else [],
                held=in_flight.USERS[-1] if holds and "resources" in stages else 0,
                tools=foreseen(
                    service, session, managed=stack.managed, profile=options.profile.name, here=tools
                )
                if "tools" in stages
                else ToolsAsked(),
            )
        except (ServiceError, OSError, *session.exceptions) as error:
            return f"{type(error).__name__}: {error}"


def _swept(service: Service, points: Sequence[Item], profile: Profile, share_s: float) -> Swept | None:
    """The load tests of a service whose share of the sweeps' budget is `share_s`."""
    if not points:
        return None
    users = [item.benchmark.load.users for item in points]
    limits = [load_tests.limits(profile, service, each) for each in users]
    asked_s = sum(limit.limit_s for limit in limits)
    warming_s = load_tests.warmup_s(profile) + BLOCK_S
    return Swept(
        users=users,
        measured_s=min(asked_s, share_s + profile.load_test_s),
        longest_s=asked_s + len(points) * warming_s,
        most_calls=sum(limit.limit_calls for limit in limits),
    )


def _asked(item: Item, profile: Profile) -> Asked:
    users, operation, rounds = item.benchmark.load.users, item.operation, profile.rounds_of(item.benchmark)
    seconds = max(profile.seconds, operation.least_s)
    most: int | None = None
    if operation.finite:
        # A user's calls are prepared for warm-up and round together; before the first round there is one more warm-up.
        each = max(LEAST_PREPARED, operation.largest // users) * users
        most = rounds * each + min(each, max(LEAST_PREPARED, math.ceil(FIRST_CALLS / users)) * users)
    return Asked(
        benchmark=item.benchmark.id,
        measured_s=rounds * seconds,
        expected_s=WARMING_S + rounds * (seconds + BETWEEN_S),
        longest_s=profile.warmup_s + BLOCK_S + rounds * (seconds + BLOCK_S + BETWEEN_S),
        most_calls=most,
    )
