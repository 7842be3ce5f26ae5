"""
Can a service be measured: is it there, what is it, and what would disturb a measurement?

Asked before anything is measured, and nothing is created for it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.model import Facts, Service, Stack
from devperf_pipeline.services import CATALOGUE


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightResult:
    """What was found at one service: its facts, or the problem that keeps us out; one sentence for each warning."""

    service: Service
    facts: Facts | None = None
    problem: str | None = None
    warnings: Sequence[str] = field(default_factory=tuple[str, ...])


def run_preflight(stack: Stack) -> Sequence[PreflightResult]:
    """Every service of a running stack, in its order, all asked at the same time."""

    def one(service: Service) -> PreflightResult:
        if service.name in stack.missing:
            return PreflightResult(service=service, problem=stack.missing[service.name])
        return _checked(service)

    with ThreadPoolExecutor(max_workers=len(stack.services)) as pool:
        return list(pool.map(one, stack.services))


def _checked(service: Service) -> PreflightResult:
    try:
        session = CATALOGUE[service.kind].open_session(service)
    except ServiceError as error:
        return PreflightResult(service=service, problem=str(error))
    try:
        return PreflightResult(service=service, facts=session.facts(), warnings=session.preflight())
    except (ServiceError, OSError, *session.exceptions) as error:
        return PreflightResult(service=service, problem=f"{type(error).__name__}: {error}")
    finally:
        session.close()
