import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from devperf_pipeline.measure.speed import UNKNOWN, Speed, ask
from devperf_pipeline.model import Service
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Session
from devperf_pipeline_tests.measure.fake_service import FakeSession
from devperf_pipeline_tests.services.fake_apis import Api, Reply, Request, serving

DELAY_S = 0.02

IN_TURN = threading.Lock()


def slow(_request: Request) -> Reply:
    time.sleep(DELAY_S)
    return 200, {}, {"answered": time.time_ns()}


def in_turn(request: Request) -> Reply:
    """One request after the other, as a server of one thread."""
    with IN_TURN:
        return slow(request)


@contextmanager
def assumed(api: Api) -> Iterator[Session]:
    """A session with one route of an API, as a dry run has it."""
    with serving(api) as address:
        service = Service(name="api", kind="api", addresses=(address,), routes=("/a",))
        with closing(CATALOGUE["api"].open_session(service)) as session:
            session.assume()
            yield session


class TestAsk:
    @pytest.mark.parametrize(("api", "least", "most"), [(slow, 0.0, 0.5), (in_turn, 0.8, 1.0)])
    def test_a_slow_api(self, api: Api, least: float, most: float) -> None:
        """It is known how long a call takes, and whether calls of several users wait for each other."""
        with assumed(api) as session:
            [floor, route] = session.operations()
            found = ask(session, [floor, route])

        assert found.call_s(route) >= DELAY_S
        assert found.call_s(floor) < DELAY_S
        assert found.usual_s == found.call_s(route)
        assert least <= found.waiting <= most

    def test_what_would_change_something_is_not_asked(self) -> None:
        """Operations that are not said to be repeatable are never called."""
        with FakeSession() as session:
            operations = session.operations()
            found = ask(session, operations)

            assert 0 == session.server.lines
        assert UNKNOWN == found


class TestSpeed:
    def test_of_what_was_not_asked(self) -> None:
        """As many round trips as it makes, or what it is known to take; other users make it as much slower."""
        with FakeSession() as session:
            hello = session.operations()[1]
        speed = Speed(usual_s=0.01, waiting=0.5)

        assert 0.01 == speed.call_s(hello)
        assert 0.01 * (1 + 0.5 * 4) == pytest.approx(speed.call_s(hello, users=5))
