"""What does everything that runs use: at rest, under a load, with requests held open?"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.collector import Sampler
from devperf_pipeline.measure.in_flight import USERS, Holder, sweep
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.measure.service_processes import targets
from devperf_pipeline.model import ResourcePhase

SETTLE = 0.2
"""The share of the time at rest that is waited before it: what was just prepared has an end."""

NAP_S = 0.2


def read_at_rest_and_held(context: RunContext, _tell: Callable[[Progress], None]) -> None:
    """
    The stage "resources": everything at rest, then the services that can hold requests with more and more of them.

    One whose requests cannot be held costs its own memory per request and nothing else.
    """
    profile = context.profile
    context.say(f"For {profile.idle_s:.0f} s nothing is asked: what everything uses at rest is read.")
    pause(context, profile.idle_s * SETTLE)
    with watching(context, "idle"):
        pause(context, profile.idle_s)
    holders = {
        service: Holder(service, session, operation)
        for service, session in context.chosen("resources").items()
        for operation in [next((one for one in session.operations() if one.held and one.wire), None)]
        if operation is not None
    }
    if not holders:
        return
    context.say(
        f"Memory is read while up to {USERS[-1]} requests are under way at each of {', '.join(holders)}."
    )

    def read(users: int, benchmarks: Mapping[str, str]) -> None:
        with watching(context, "held", users=users, only=benchmarks):
            # The first reading ends one interval after the first look.
            pause(context, profile.reading_s * 1.3)

    def failed(service: str, error: Exception) -> None:
        why = f"memory per request: {error}"
        context.reasons[service] = "; ".join(filter(None, (context.reasons.get(service), why)))
        context.say(f"{service}: {why}")

    sweep(holders, settle=lambda: pause(context, profile.reading_s), read=read, failed=failed)


@contextmanager
def watching(
    context: RunContext,
    phase: ResourcePhase,
    benchmark: str | None = None,
    users: int = 0,
    only: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """
    Read what everything that runs uses while this lasts, and keep it.

    `only` names the services that are read alone, each with the benchmark of its own that its readings are of.

    Readings are kept every few seconds, and the rest before this returns. Where they cannot be had this is said, and
    what is measured meanwhile goes on.

    Raises:
        StoreError: readings could not be kept.

    """
    try:
        _sampler(context).begin(phase, benchmark, users, only or {})
    except MeasurementError as error:
        _lost(context, error)
    try:
        yield
    finally:
        if context.sampler is not None:
            try:
                context.sampler.end()
            except MeasurementError as error:
                _lost(context, error)


def pause(context: RunContext, seconds: float) -> None:
    """
    Wait, and hear meanwhile whether to stop.

    Raises:
        Cancelled: somebody asked to.

    """
    ends = time.monotonic() + seconds
    while (left_s := ends - time.monotonic()) > 0:
        time.sleep(min(NAP_S, left_s))
        context.check_cancelled()


def _sampler(context: RunContext) -> Sampler:
    """The one sampler of the context, started when it is first needed."""
    if context.sampler is None:
        found, unseen = targets(context.stack, context.processes)
        for one in unseen:
            context.say(one.why)
        context.sampler = Sampler(
            found,
            interval_s=context.profile.reading_s,
            cores=context.placement.spare,
            keep=context.sink.keep_resources,
        )
    return context.sampler


def _lost(context: RunContext, error: MeasurementError) -> None:
    context.say(str(error))
    context.close()
