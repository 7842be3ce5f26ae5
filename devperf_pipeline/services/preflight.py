"""
Can a service be measured: is it there, what is it, and what would spoil the figures?

Asked before anything is measured, and nothing is created for it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.model import Facts, Service, Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Forewarning


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """
    What was found at one service: its facts, or the problem that keeps us out; one sentence for each spoiler.
    """

    service: Service
    facts: Facts | None = None
    problem: str | None = None
    spoilers: Sequence[str] = field(default_factory=tuple[str, ...])


def examine(stack: Stack) -> Sequence[Examined]:
    """
    Every service of a running stack, in its order, all asked at the same time.
    """

    def one(service: Service) -> Examined:
        if service.name in stack.missing:
            return Examined(service=service, problem=stack.missing[service.name])
        return _examined(service)

    with ThreadPoolExecutor(max_workers=len(stack.services)) as pool:
        return list(pool.map(one, stack.services))


def _examined(service: Service) -> Examined:
    try:
        session = CATALOGUE[service.kind].open_session(service)
    except ServiceError as error:
        return Examined(service=service, problem=str(error))
    try:
        facts = session.facts()
        spoilers = session.spoilers() if isinstance(session, Forewarning) else ()
        return Examined(service=service, facts=facts, spoilers=spoilers)
    except (ServiceError, OSError, *session.exceptions) as error:
        return Examined(service=service, problem=f"{type(error).__name__}: {error}")
    finally:
        session.close()
