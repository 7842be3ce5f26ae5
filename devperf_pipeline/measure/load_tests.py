"""
How does a service answer under sustained load, from one user to two hundred?

Each service's sustained operation is driven by more and more users, each point in one uninterrupted window.
The point of `LOAD_TEST_USERS` is the load test that the published baseline has of the APIs: 60,000 calls or 60 s,
whichever comes first, in the full profile; shorter ones are shorter in seconds, and each row says its limits.
Where a server lets in fewer users the sweep ends there, with a row that says so.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.measure.plan import Item, Profile
from devperf_pipeline.measure.progress import Progress, Watch
from devperf_pipeline.measure.recorder import CAPACITY
from devperf_pipeline.measure.resources import watching
from devperf_pipeline.measure.rounds import Measurer
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.model import Benchmark, Load, Round, Service, SustainedLoad
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Session

SWEEP = (1, 2, 5, 10, 20, 50, 100, 200)

LOAD_TEST_USERS = 100

WATCHED = (50, LOAD_TEST_USERS)
"""What everything uses is read during the load test, and during the point before it: not every server lets in more."""

API_CALLS = 60_000
"""The published load tests of APIs ended after so many."""

IDLE_CORE = 0.8
"""A core that was idle for this share of a window can take another engine process."""

FAILURES_IN_A_ROW = 2
"""After so many points without one whole window, more users would say nothing new."""


def run(context: RunContext, tell: Callable[[Progress], None]) -> None:
    """
    Measure the sweep of every service that has a sustained operation, one service after the other.

    Raises:
        Cancelled: somebody asked to stop; stretches that had ended are kept.

    """
    context.measurer.disconnect()  # what idle connections cost a server is not part of its load test
    planned = {name: sweep(name, session) for name, session in context.chosen("load_tests").items()}
    swept = {name: items for name, items in planned.items() if items}
    watch = Watch(rounds=1, of=sum(map(len, swept.values())), tell=tell)
    short = replace(context.profile, warmup_s=warmup_s(context.profile))
    measurer = Measurer(short, context.placement)
    share_s = (context.profile.sweeps_budget_s or math.inf) / max(1, len(swept))
    left_out: dict[str, list[str]] = defaultdict(list)
    try:
        for name, items in swept.items():
            users = _sweep(context, measurer, watch, items, share_s)
            if users:
                left_out[", ".join(f"{each:,}" for each in users)].append(name)
            measurer.disconnect(name)
    finally:
        measurer.disconnect()
    for users, names in left_out.items():
        context.say(
            f"No sustained load of {users} users was measured of {', '.join(names)}: the profile "
            f"{context.profile.name!r} has {share_s:.0f} s for the sweep of a service. A longer profile measures all."
        )


def sweep(service: str, session: Session) -> list[Item]:
    """The sustained benchmarks of one service, users rising."""
    return [
        Item(Benchmark(service, operation.name, Load(users, sustained=True), "engine"), operation, session)
        for operation in session.operations()
        if operation.sustained and operation.wire is not None
        for users in SWEEP
    ]


def warmup_s(profile: Profile) -> float:
    """The patience of a point's warm-up: a sweep that warmed up for longer than it measures would be of warm-ups."""
    return min(profile.warmup_s, profile.sweep_s / 2)


def limits(profile: Profile, service: Service, users: int) -> SustainedLoad:
    """When a window of so many users ends. Without a published number of calls it is what a recorder holds."""
    kind = CATALOGUE.get(service.kind)
    return SustainedLoad(
        limit_calls=API_CALLS if kind and kind.role == "api" else CAPACITY,
        limit_s=profile.load_test_s if users == LOAD_TEST_USERS else profile.sweep_s,
    )


def engines_after(found: SustainedLoad, room: Callable[[int], bool]) -> int:
    """How many engine processes ask the next users: one more where the client was the limit and a core was idle."""
    more = found.engine_processes + 1
    spare = found.idle_cores is not None and found.idle_cores >= IDLE_CORE
    return more if found.at_limit and spare and room(more) else found.engine_processes


def _sweep(
    context: RunContext, measurer: Measurer, watch: Watch, items: Sequence[Item], share_s: float
) -> list[int]:
    """One service's sweep, for `share_s` seconds; after that only the load test is still made. Returns the users left out."""
    service = context.stack.service(items[0].benchmark.service)
    engines, failures, ends = 1, 0, time.monotonic() + share_s
    left_out: list[int] = []
    for place, item in enumerate(items):
        users = item.benchmark.load.users
        if users != LOAD_TEST_USERS and time.monotonic() > ends:
            left_out.append(users)
            watch.dropped(1)
            continue
        window = replace(limits(context.profile, service, users), engine_processes=min(engines, users))
        around = (
            partial(watching, context, "load", item.benchmark.id, users) if users in WATCHED else nullcontext
        )
        measured = measurer.measure(item, 1, window, around)
        for one in measured:
            if one.phase == "measured" or one.latency_ns:
                context.sink.keep(one)
        last = measured[-1]
        watch.round_done(last)
        context.check_cancelled()
        failures = failures + 1 if last.problem else 0
        if _ends(last) or failures == FAILURES_IN_A_ROW:
            untried = len(items) - place - 1
            watch.dropped(untried)
            _tell_end(context, item, last, untried=untried, fewer_were_fine=place > 0 and failures == 1)
            break
        if last.sustained:
            engines = engines_after(last.sustained, context.placement.room)
    return left_out


def _tell_end(context: RunContext, item: Item, last: Round, *, untried: int, fewer_were_fine: bool) -> None:
    """Say where a sweep ends. That a server lets in only so many is a setting of its, no fault; the row has its words."""
    service, users = item.benchmark.service, item.benchmark.load.users
    if fewer_were_fine and _ends(last) and (last.problem or "").startswith(ServiceRefused.__name__):
        context.say(f"{service} lets in fewer than {users:,} users at once; its sweep of users ends there.")
    elif untried:
        context.say(f"{service}: the sweep of users ends at {users:,}: {last.problem}")


def _ends(last: Round) -> bool:
    """Whether no call could be made at all, as where a server lets in fewer users."""
    return bool(last.problem) and not last.latency_ns
