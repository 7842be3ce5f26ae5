import threading
import time

import pytest

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.measure import cleaning
from devperf_pipeline.measure.cleaning import clean_and_close
from devperf_pipeline_tests.measure.fake_service import FakeSession


class Slow(FakeSession):
    """Removes nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()

    def clean(self) -> None:
        self.may_go_on.wait(30)
        super().clean()


class Refused(FakeSession):
    """May remove nothing."""

    def clean(self) -> None:
        raise ServiceRefused("our key is left")


class TestCleanAndClose:
    def test_all_at_once(self) -> None:
        """Every session is cleaned and closed, and nothing is said of it."""
        said: list[str] = []
        sessions = {"a": FakeSession(), "b": FakeSession()}
        clean_and_close(sessions, stack="shop", say=said.append, hurried=False)

        assert [["clean", "close"], ["clean", "close"]] == [one.history for one in sessions.values()]
        assert [] == said

    def test_a_slow_service_is_not_waited_for_by_who_asked_to_stop(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a few seconds it ends all the same, the others are clean, and what is left is named with its remedy."""
        monkeypatch.setattr(cleaning, "HURRIED_S", 0.2)
        said: list[str] = []
        slow, other = Slow(), FakeSession()
        began = time.monotonic()
        clean_and_close({"slow": slow, "other": other}, stack="shop", say=said.append, hurried=True)
        took_s = time.monotonic() - began
        slow.may_go_on.set()

        assert took_s < 10
        assert ["clean", "close"] == other.history
        assert 1 == len(said)
        assert "removed yet at slow: " in said[0]
        assert said[0].endswith("devperf clean --stack shop")

    def test_what_could_not_be_removed_is_told(self) -> None:
        """A service that refuses costs the others nothing, and its own words are said."""
        said: list[str] = []
        other = FakeSession()
        clean_and_close({"a": Refused(), "b": other}, stack="shop", say=said.append, hurried=False)

        assert ["a: what is ours could not be removed: ServiceRefused: our key is left"] == said
        assert ["clean", "close"] == other.history
