"""
What would a baseline create, ask and take? Told without creating anything.

Sessions are opened and asked what they would do; no object is made, no call is measured.
"""

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.measure.plan import BETWEEN_S, WARMING_S, Item, Profile, items
from devperf_pipeline.measure.sitting import Wishes
from devperf_pipeline.measure.slices import FIRST_CALLS, LEAST_PREPARED
from devperf_pipeline.measure.steady import BLOCK_S
from devperf_pipeline.model import Service, Stack
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
class Foreseen:
    """
    One service: the objects that would be made, and removed again, and its benchmarks; or why it would not be measured.
    """

    service: str
    objects: Sequence[str] = ()
    benchmarks: Sequence[Asked] = ()
    problem: str | None = None


def foresee(stack: Stack, wishes: Wishes) -> tuple[Profile, list[Foreseen]]:
    """
    What measuring a running stack would do, service by service, and the profile as it fits so many benchmarks.
    """
    wanted = [service for service in stack.services if not wishes.services or service.name in wishes.services]
    told = {service.name: _asked_of(service, stack) for service in wanted}
    planned = {name: found for name, found in told.items() if not isinstance(found, str)}
    profile = wishes.profile.fitted(sum(len(found) for _, found in planned.values()))
    return profile, [
        Foreseen(service=name, problem=found)
        if isinstance(found, str)
        else Foreseen(service=name, objects=found[0], benchmarks=[_asked(item, profile) for item in found[1]])
        for name, found in told.items()
    ]


def _asked_of(service: Service, stack: Stack) -> tuple[Sequence[str], list[Item]] | str:
    """
    The objects and benchmarks of a service, or why it would not be measured.
    """
    if service.name in stack.missing:
        return stack.missing[service.name]
    try:
        session: Session = CATALOGUE[service.kind].open_session(service)
    except ServiceError as error:
        return str(error)
    with closing(session):
        try:
            session.assume()
            return list(session.objects()), items(service.name, session)
        except (ServiceError, OSError, *session.exceptions) as error:
            return f"{type(error).__name__}: {error}"


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
