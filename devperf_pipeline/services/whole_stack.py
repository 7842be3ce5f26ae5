"""
What is asked of every service of a running stack beside measuring: can it be measured, and does everything of ours leave?

Each service's own session knows what disturbs it and what is ours there. One that is down costs the others nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from devperf_pipeline.errors import ConfigurationError, ServiceError
from devperf_pipeline.model import Facts, OwnOperation, Service, Stack
from devperf_pipeline.services import CATALOGUE, as_reached
from devperf_pipeline.services.operation import FirstAnswer, Session
from devperf_pipeline.services.own_operations import learnt
from devperf_pipeline.stack.source import nearest, shown

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightResult:
    """What was found at one service: its facts, or the problem that keeps us out; one sentence for each warning."""

    service: Service
    facts: Facts | None = None
    problem: str | None = None
    warnings: Sequence[str] = field(default_factory=tuple[str, ...])


def run_preflight(stack: Stack) -> Sequence[PreflightResult]:
    """Every service of a running stack, in its order, all asked at the same time. Nothing is created for it."""

    def one(service: Service) -> PreflightResult:
        found = _asked(
            stack,
            service,
            lambda session: (
                as_reached(service, session.facts()),
                [*session.preflight(), *_own_mistakes(session, service)],
            ),
        )
        if isinstance(found, str):
            return PreflightResult(service=service, problem=found)
        return PreflightResult(service=service, facts=found[0], warnings=found[1])

    with ThreadPoolExecutor(max_workers=len(stack.services)) as pool:
        return list(pool.map(one, stack.services))


def _own_mistakes(session: Session, service: Service) -> Iterator[str]:
    """Which operations of the stack file cannot be measured, and why."""
    if service.own_operations:
        session.assume()
        learnt(session, service)
        for own in service.own_operations:
            if own.title in session.unmeasurable:
                yield f"not measured: {own.title}: {session.unmeasurable[own.title]}"


def ask_once(stack: Stack, title: str) -> Iterator[tuple[Service, OwnOperation, FirstAnswer | str]]:
    """
    Ask what the stack file describes under that title, once of each service that has it.

    Yields:
        The service, the operation, and its first answer, or why it has none.

    Raises:
        ConfigurationError: no operation has that title.

    """
    found = [(service, own) for service in stack.services for own in service.own_operations]
    titles = [own.title for _, own in found]
    if title not in titles:
        meant = nearest(title, titles)
        raise ConfigurationError(
            f"{stack.path}: expected the title of one of its operations ({', '.join(titles) or 'it has none'}), "
            f"found {shown(title)}.{meant and ' ' + meant}"
        )
    for service, own in found:
        if own.title == title:
            yield service, own, _asked(stack, service, lambda session, own=own: _answer(session, own))


def _answer(session: Session, own: OwnOperation) -> FirstAnswer | str:
    try:
        return session.first_answer(own)
    except ServiceError as error:
        return " ".join(str(error).split())


def clean(stack: Stack) -> Iterator[tuple[str, str | None]]:
    """
    Remove every object of ours from every service of a running stack: what the next baseline would remove first.

    Yields:
        The name of each service, and why it could not be cleaned; None where nothing of ours is left.

    """
    for service in stack.services:
        yield service.name, _asked(stack, service, lambda session: session.clean())


def _asked(stack: Stack, service: Service, ask: Callable[[Session], T]) -> T | str:
    """What a session with a service is asked for, or the problem that prevents it."""
    if service.name in stack.missing:
        return stack.missing[service.name]
    try:
        session = CATALOGUE[service.kind].open_session(stack.with_behind(service))
    except ServiceError as error:
        return str(error)
    try:
        return ask(session)
    except (ServiceError, OSError, *session.exceptions) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        session.close()
