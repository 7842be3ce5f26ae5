"""
How is a whole baseline measured?

Open every service, prepare it, interleave all rounds of all benchmarks in a seeded random order, keep each round the
moment it ends, clean up whatever happens.
One service that fails costs its own rows and nothing else.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from devperf_pipeline.errors import MeasurementError, ServiceError
from devperf_pipeline.measure.placement import Placement
from devperf_pipeline.measure.plan import Item, Profile, in_order, items, profile_named
from devperf_pipeline.measure.progress import Progress, Watch
from devperf_pipeline.measure.slices import Measurer
from devperf_pipeline.model import Baseline, Facts, Outcome, Round, RouteAnswer, Service, ServiceState, Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Session

FAILURES_IN_A_ROW = 3
"""After so many rounds of a service failed one after another, the rest of its rounds is not tried."""

READ_EVERY_S = 1.0
"""Credentials of a service that refuses are read anew at most this often: each time is a login."""

ASK_EVERY_S = 1.0
"""Whether to stop is asked this often: it may cost a look into a database."""


class Keeper(Protocol):
    """
    Where rounds go, whole or not at all. `store/` has one.
    """

    def begin(self, baseline: Baseline) -> None:
        """
        A sitting begins.
        """
        ...

    def keep(self, measured: Round) -> None:
        """
        Keep one round for good before anything else happens.
        """
        ...

    def finish(self, baseline: Baseline) -> None:
        """
        The sitting is over; nothing more comes.
        """
        ...


class Cancelled(MeasurementError):
    """
    Somebody asked the sitting to stop. What was measured is kept.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """
    What is to be measured and how: services (all of the stack if none are named), profile, seed of the order.
    """

    profile: Profile
    services: tuple[str, ...] = ()
    seed: int = field(default_factory=lambda: secrets.randbelow(2**31))


def wishes_of(profile: str, services: tuple[str, ...], seconds: float) -> Wishes:
    """
    The wishes that these words say: a profile by its name, and the seconds of each round, 0 for the profile's.

    Raises:
        ConfigurationError: there is no such profile.

    """
    found = profile_named(profile)
    return Wishes(
        profile=replace(found, seconds=seconds, budget_s=None) if seconds else found, services=services
    )


def new_id(now_s: float) -> str:
    """
    An id for a baseline that sorts by time: `20261125T031500Z-3f9a`.
    """
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now_s))}-{secrets.token_hex(2)}"


@dataclass(slots=True)
class _Visit:
    """
    The sessions that are open, and why others are not.
    """

    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    facts: dict[str, Facts] = field(default_factory=dict[str, Facts])
    states: dict[str, ServiceState] = field(default_factory=dict[str, ServiceState])
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    services: dict[str, Service] = field(default_factory=dict[str, Service])
    read_at_s: dict[str, float] = field(default_factory=dict[str, float])
    answers: dict[str, Sequence[RouteAnswer]] = field(default_factory=dict[str, Sequence[RouteAnswer]])

    def failed(self, service: str, why: str) -> None:
        self.states[service] = "failed"
        self.reasons[service] = why


def measure(
    stack: Stack,
    wishes: Wishes,
    *,
    host: Mapping[str, str],
    keeper: Keeper,
    processes: Callable[[], list[int]] = list,
    tell: Callable[[Progress], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    reread: Callable[[str], Service | None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Baseline:
    """
    Measure a running stack.

    Args:
        stack: what is measured, with addresses and credentials.
        wishes: what of it, and how.
        host: what machine this is.
        keeper: where each round goes as soon as it is measured.
        processes: main processes of a stack that we started ourselves; they are placed on cores.
        tell: hears of progress after each round.
        say: hears, before the first round, which services cannot be measured, and why.
        reread: asked for a service, as it is described now, when it refuses; None: its credentials are kept nowhere.
        cancelled: asked between rounds, at most once a second.

    Returns:
        The baseline as it ended: per service measured, failed or skipped, and why.

    Raises:
        Cancelled: `cancelled` said so. Rounds that were kept stay kept, clean-up was done.

    """
    wanted = [service for service in stack.services if not wishes.services or service.name in wishes.services]
    visit = _Visit()
    with ExitStack() as at_the_end:
        _open(wanted, stack, visit, at_the_end)
        now = time.time()
        planned = _prepare(visit)
        for service, state in visit.states.items():
            if state == "failed":
                say(f"{service} will not be measured: {visit.reasons[service]}")
        baseline = Baseline(
            id=new_id(now),
            stack=stack.name,
            profile=wishes.profile.name,
            seed=wishes.seed,
            began_at_ns=int(now * 1e9),
            host=host,
            facts=visit.facts,
            answers=visit.answers,
            operations={f"{i.benchmark.service}/{i.operation.name}": i.operation.title for i in planned},
        )
        keeper.begin(baseline)
        placement = Placement(processes)
        at_the_end.callback(placement.release)
        profile = wishes.profile.fitted(len(planned))
        measurer = Measurer(profile, placement)
        at_the_end.callback(measurer.disconnect)
        watch = Watch(rounds=profile.rounds, of=profile.rounds * len(planned), tell=tell)
        asked = time.monotonic()
        entry = partial(_entered_anew, visit=visit, reread=reread, say=say)
        for rounds in _interleave(planned, wishes, visit=visit, measurer=measurer, watch=watch, entry=entry):
            for measured in rounds:
                if measured.phase == "measured" or measured.latency_ns:
                    keeper.keep(measured)
            watch.round_done(rounds[-1])
            if time.monotonic() - asked > ASK_EVERY_S:
                asked = time.monotonic()
                if cancelled():
                    raise Cancelled("The sitting was asked to stop. Every round that had ended is kept.")
        ended = replace(
            baseline, ended_at_ns=time.time_ns(), states=dict(visit.states), reasons=dict(visit.reasons)
        )
        keeper.finish(ended)
    return ended


def _open(services: Sequence[Service], stack: Stack, visit: _Visit, at_the_end: ExitStack) -> None:
    """
    Open every service at the same time: several that do not answer cost one deadline, not one each.
    """

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
            visit.states[service.name], visit.reasons[service.name] = "skipped", stack.missing[service.name]
        elif isinstance(session, str):
            visit.failed(service.name, session)
        else:
            at_the_end.callback(session.close)
            at_the_end.callback(_clean, session)
            visit.sessions[service.name], visit.services[service.name] = session, service


def _clean(session: Session) -> None:
    """
    Remove our objects; where the service is gone there is nothing more that we could do, and the next visit will.
    """
    with suppress(ServiceError, OSError, *session.exceptions):
        session.clean()


def _prepare(visit: _Visit) -> list[Item]:
    """
    Lay in our objects, ask for facts, name the benchmarks. One that fails here is not measured.
    """
    planned: list[Item] = []
    for step in ("prepare", "facts"):  # some servers know their own figures only seconds after their start
        for service, session in visit.sessions.items():
            if service in visit.states:
                continue
            try:
                if step == "prepare":
                    session.prepare()
                    continue
                visit.facts[service] = session.facts()
                planned += items(service, session)
            except (ServiceError, OSError, *session.exceptions) as error:
                visit.failed(service, f"{type(error).__name__}: {error}")
            else:
                visit.states[service] = "measured"
                answers: Sequence[RouteAnswer] = getattr(session, "answers", ())
                if answers:
                    visit.answers[service] = answers
                unmeasurable: Mapping[str, str] = getattr(session, "unmeasurable", {})
                if unmeasurable:
                    visit.reasons[service] = "; ".join(
                        f"{title}: {why}" for title, why in unmeasurable.items()
                    )
    return planned


def _refused(measured: Round) -> bool:
    """
    Whether a service may have refused us: nothing was measured, or it answered with errors of its own.
    """
    return bool(measured.problem) and (not measured.latency_ns or Outcome.ERROR in measured.outcome)


def _entered_anew(
    service: str, *, visit: _Visit, reread: Callable[[str], Service | None], say: Callable[[str], None]
) -> bool:
    """
    Whether a service that refuses has other credentials now, and lets us in with them.

    What cannot be read anew costs this service and no other; the reason is kept with the baseline.
    """
    now = time.monotonic()
    if now - visit.read_at_s.get(service, now - READ_EVERY_S) < READ_EVERY_S:
        return False
    visit.read_at_s[service] = now
    session = visit.sessions[service]
    try:
        found = reread(service)
        if found is None or found.credentials == visit.services[service].credentials:
            return False
        found = replace(visit.services[service], credentials=found.credentials)
        session.renew(found)
    except (ServiceError, OSError, *session.exceptions) as error:
        visit.reasons[service] = f"refused, and not entered with credentials that were read anew: {error}"
        return False
    visit.services[service] = found
    say(f"{service} refused, and was entered with credentials that were read anew.")
    return True


def _interleave(
    planned: Sequence[Item],
    wishes: Wishes,
    *,
    visit: _Visit,
    measurer: Measurer,
    watch: Watch,
    entry: Callable[[str], bool],
) -> Iterator[list[Round]]:
    """
    Round after round, each benchmark once in each, in an order of its own; what was measured, as it comes.
    """
    failures: dict[str, int] = {}
    for number in range(1, wishes.profile.rounds + 1):
        for item in in_order(planned, wishes.seed, number):
            service = item.benchmark.service
            if failures.get(service, 0) >= FAILURES_IN_A_ROW:
                watch.dropped(1)
                continue
            rounds = measurer.measure(item, number)
            if _refused(rounds[-1]) and entry(service):
                # Measured with a password that had been changed, it says nothing; once more with the one of now.
                measurer.disconnect(service)
                rounds = measurer.measure(item, number)
            yield rounds
            last = rounds[-1]
            if last.latency_ns or not last.problem:
                failures[service] = 0
                continue
            failures[service] = failures.get(service, 0) + 1
            if failures[service] == FAILURES_IN_A_ROW:
                why = f"; {visit.reasons[service]}" if service in visit.reasons else ""
                visit.failed(
                    service, f"given up after {FAILURES_IN_A_ROW} rounds in a row failed: {last.problem}{why}"
                )
