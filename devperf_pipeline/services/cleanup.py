"""
How does everything of ours leave a stack, after a run that was killed?

Each service's own session knows what is ours: what is removed here is what the next baseline would remove first.
"""

from collections.abc import Iterator

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.model import Stack
from devperf_pipeline.services import CATALOGUE


def clean(stack: Stack) -> Iterator[tuple[str, str | None]]:
    """
    Remove every object of ours from every service of a running stack; what others made is not touched.

    Yields:
        The name of each service, and why it could not be cleaned; None where nothing of ours is left.

    """
    for service in stack.services:
        if service.name in stack.missing:
            yield service.name, stack.missing[service.name]
            continue
        try:
            session = CATALOGUE[service.kind].open_session(service)
        except ServiceError as error:
            yield service.name, str(error)
            continue
        try:
            session.clean()
        except (ServiceError, OSError, *session.exceptions) as error:
            yield service.name, f"{type(error).__name__}: {error}"
        else:
            yield service.name, None
        finally:
            session.close()
