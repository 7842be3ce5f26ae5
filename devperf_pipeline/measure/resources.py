"""
What does everything that runs use: at rest, under a load, with requests held open?
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from devperf_pipeline.errors import MeasurementError, ServiceError
from devperf_pipeline.measure.belonging import targets
from devperf_pipeline.measure.held import sweep
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.sampler import Sampler
from devperf_pipeline.measure.visit import Visit
from devperf_pipeline.model import ResourcePhase

SETTLE = 0.2
"""The share of the time at rest that is waited before it: what was just prepared has an end."""

NAP_S = 0.2


def read_at_rest_and_held(visit: Visit, _tell: Callable[[Progress], None]) -> None:
    """
    The stage "resources": everything at rest, then each service that can hold requests with more and more of them.

    One whose requests cannot be held costs its own memory per request and nothing else.
    """
    profile = visit.profile
    visit.say(f"For {profile.idle_s:.0f} s nothing is asked: what everything uses at rest is read.")
    pause(visit, profile.idle_s * SETTLE)
    with watching(visit, "idle"):
        pause(visit, profile.idle_s)
    for service, session in visit.chosen("resources").items():
        operation = next((one for one in session.operations() if one.held and one.wire), None)
        if operation is None:
            continue
        visit.say(f"{service}: memory is read while up to 200 requests are under way.")

        def read(users: int, benchmark: str, service: str = service) -> None:
            with watching(visit, "held", benchmark, users, only=(service,)):
                # The first reading ends one interval after the first look.
                pause(visit, profile.reading_s * 1.3)

        try:
            sweep(
                service,
                session,
                operation,
                settle=lambda: pause(visit, profile.reading_s),
                read=read,
            )
        except (ServiceError, OSError, *session.exceptions) as error:
            why = f"memory per request: {error}"
            visit.reasons[service] = "; ".join(filter(None, (visit.reasons.get(service), why)))
            visit.say(f"{service}: {why}")


@contextmanager
def watching(
    visit: Visit,
    phase: ResourcePhase,
    benchmark: str | None = None,
    users: int = 0,
    only: Collection[str] = (),
) -> Iterator[None]:
    """
    Read what everything that runs uses (or only those services) while this lasts, and keep it.

    Readings are kept every few seconds, and the rest before this returns. Where they cannot be had this is said, and
    what is measured meanwhile goes on.

    Raises:
        StoreError: readings could not be kept.

    """
    try:
        _sampler(visit).begin(phase, benchmark, users, only)
    except MeasurementError as error:
        _lost(visit, error)
    try:
        yield
    finally:
        if visit.sampler is not None:
            try:
                visit.sampler.end()
            except MeasurementError as error:
                _lost(visit, error)


def pause(visit: Visit, seconds: float) -> None:
    """
    Wait, and hear meanwhile whether to stop.

    Raises:
        Cancelled: somebody asked to.

    """
    ends = time.monotonic() + seconds
    while (left_s := ends - time.monotonic()) > 0:
        time.sleep(min(NAP_S, left_s))
        visit.check_cancelled()


def _sampler(visit: Visit) -> Sampler:
    """
    The one sampler of the visit, started when it is first needed.
    """
    if visit.sampler is None:
        found, unseen = targets(visit.stack, visit.processes)
        for one in unseen:
            visit.say(one.why)
        visit.sampler = Sampler(
            found,
            interval_s=visit.profile.reading_s,
            cores=visit.placement.spare,
            keep=visit.keeper.keep_resources,
        )
    return visit.sampler


def _lost(visit: Visit, error: MeasurementError) -> None:
    visit.say(str(error))
    visit.close()
