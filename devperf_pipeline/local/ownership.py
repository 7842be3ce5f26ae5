"""Who stops the stack? Whoever started it."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from devperf_pipeline.local import lifecycle
from devperf_pipeline.model import Stack
from devperf_pipeline.stack.credentials import with_credentials
from devperf_pipeline.stack.folders import Folders


@contextmanager
def standing(
    stack: Stack, folders: Folders, say: Callable[[str], None], *, only: Collection[str] = ()
) -> Iterator[Stack]:
    """
    The stack as it runs: found running, or started here and stopped at the end.

    Where it has to be started and only some services are wanted, those and what they need are started.

    A stack that this project does not manage is handed on as it is described, with the credentials that a Vault
    keeps for it.
    """
    if not stack.managed:
        yield with_credentials(stack)
        return
    found = lifecycle.running(stack, folders)
    if found is not None:
        yield found
        return
    try:
        yield lifecycle.up(with_needs(stack, only) if only else stack, folders, say)
    finally:
        lifecycle.down(stack.name, folders, lambda _: None)


def with_needs(stack: Stack, wanted: Collection[str]) -> Stack:
    """The stack cut down to some services and, transitively, what they need."""
    needs = {service.name: service.needs for service in stack.services}
    kept: set[str] = set()
    waiting = [name for name in wanted if name in needs]
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept.add(name)
            waiting.extend(need for need in needs[name] if need in needs)
    return replace(stack, services=tuple(service for service in stack.services if service.name in kept))
