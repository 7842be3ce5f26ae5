"""How do tests open a session with a running service?"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

import pytest

from devperf_pipeline.model import Service, Stack
from devperf_pipeline.services.operation import Session

S = TypeVar("S", bound=Session)


def running(stack: Stack, name: str) -> Service:
    """The service of that name; where it was not started, the test is skipped."""
    if name in stack.missing:
        pytest.skip(stack.missing[name])
    return stack.service(name)


@contextmanager
def prepared_session(session: S) -> Iterator[S]:
    """A session whose objects are there, and are removed afterwards."""
    with closing(session):
        session.prepare()
        yield session
        session.clean()
