from collections.abc import Mapping

import pytest

from devperf_pipeline.services.http.limits import Limit, limit_in, limit_told, limited_by, refused_by
from devperf_pipeline.services.http.protocol import Answer
from devperf_pipeline.services.operation import Pace

WITH_A_TIME = [
    ({"ratelimit-policy": "100;w=60"}, (100, 60)),
    ({"ratelimit-policy": '"default";q=100;w=60'}, (100, 60)),
    ({"ratelimit-policy": "100;w=3600"}, (100, 3600)),
    ({"x-ratelimit-limit-minute": "100"}, (100, 60)),
    ({"x-ratelimit-limit-hour": "900"}, (900, 3600)),
]
WITHOUT = [{"ratelimit": "limit=100, remaining=50, reset=5"}, {"x-ratelimit-limit": "100"}]
NO_LIMIT = [{}, {"x-ratelimit-limit": "1000000"}, {"x-ratelimit-reset": "5"}, {"ratelimit-policy": "0;w=60"}]


def answer(headers: Mapping[str, str], status: int = 200) -> Answer:
    return Answer(status, headers, b"{}")


class TestLimitedBy:
    @pytest.mark.parametrize("headers", [*(headers for headers, _ in WITH_A_TIME), *WITHOUT])
    def test_in_headers(self, headers: Mapping[str, str]) -> None:
        """Every spelling of a limit that a benchmark would reach is read, and repeated."""
        [(name, value)] = headers.items()
        assert f"{name}: {value}" == limited_by(answer(headers))

    @pytest.mark.parametrize("headers", NO_LIMIT[:3])
    def test_none(self, headers: Mapping[str, str]) -> None:
        """A limit that is far away, and a header without one, keep nobody from measuring."""
        assert limited_by(answer(headers)) is None

    def test_refused(self) -> None:
        """An answer in the place of what was asked for is told from one that only speaks of a limit."""
        assert "status 429, Retry-After: 9" == refused_by(answer({"retry-after": "9"}, 429))
        assert refused_by(answer({"ratelimit-policy": "100;w=60"})) is None


class TestLimit:
    @pytest.mark.parametrize(("headers", "expected"), WITH_A_TIME)
    def test_with_a_time(self, headers: Mapping[str, str], expected: tuple[int, float]) -> None:
        """A limit can be kept to where it says of how long."""
        found = limit_told(answer(headers))
        assert found is not None
        assert expected == (found.calls, found.seconds)

    @pytest.mark.parametrize("headers", [*WITHOUT, *NO_LIMIT])
    def test_without(self, headers: Mapping[str, str]) -> None:
        """One whose time nobody says cannot be kept to, nor one that allows nothing."""
        assert limit_told(answer(headers)) is None

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("100/minute", (100, 60)),
            ("5 per hour", (5, 3600)),
            ("20 requests/second", (20, 1)),
            ("none", None),
        ],
    )
    def test_in_words(self, text: str, expected: tuple[int, float] | None) -> None:
        """What an API says of itself in words is read as well."""
        found = limit_in(text)
        assert expected == (found and (found.calls, found.seconds))

    def test_what_others_used_is_not_ours(self) -> None:
        """Of a limit that says what is left, only that is used before its time is over."""
        told = limit_told(answer({"ratelimit-policy": "100;w=60", "ratelimit-remaining": "30"}))
        assert told is not None
        pace = told.pace()

        assert 0 == pace.wait_s(20)
        assert 50 < pace.wait_s(30) <= 60


class TestPace:
    def test_waits_until_enough_calls_are_old(self) -> None:
        """In any window there are no more calls than allowed, whenever they were made."""
        now = [0.0]
        pace = Pace(10, 60, clock=lambda: now[0])
        pace.note(6)
        now[0] = 20.0
        pace.note(4)

        assert (40.0, 40.0, 60.0) == (pace.wait_s(1), pace.wait_s(6), pace.wait_s(7))
        now[0] = 60.0
        assert 0 == pace.wait_s(6)

    def test_more_than_a_window_allows(self) -> None:
        """What no window ever allows waits for an empty one, not for ever."""
        pace = Pace(10, 60, clock=lambda: 0.0)
        pace.note(30)

        assert 60.0 == pace.wait_s(50)

    def test_leaves_a_part_to_others(self) -> None:
        """A limit is not used up to the last call."""
        assert 90 == Limit(100, 60, "told").pace().calls
