import math
import random

import pytest

from devperf_pipeline.model import calls_needed
from devperf_pipeline.store import confidence


class TestT:
    @pytest.mark.parametrize(
        ("freedom", "expected"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042)]
    )
    def test_it_is_that_of_the_printed_tables(self, freedom: int, expected: float) -> None:
        """The quantiles must be those that every table of Student's t prints."""
        assert expected == round(confidence.t_quantile(freedom), 3)


class TestFromRounds:
    def test_equal_rounds_leave_no_doubt(self) -> None:
        """Rounds that agree must give an interval without width."""
        assert confidence.from_rounds([5000, 5000, 5000]) == (5000, 5000)

    def test_three_rounds_by_hand(self) -> None:
        """Logs 0, 1, 2 (times ln 2, around 2,000): half width is 4.303 / sqrt(3) doublings, a factor of 5.595."""
        assert confidence.from_rounds([1000, 2000, 4000]) == (357, 11190)

    def test_two_rounds_are_too_few(self) -> None:
        """Two rounds must give no interval."""
        assert confidence.from_rounds([1000, 2000]) is None


class TestPossible:
    def test_bounds_hold_p95_and_stay_among_the_calls(self) -> None:
        """Of any rounds, however far they lie apart, p50 <= low <= p95 <= high <= the slowest call."""
        drawn, clipped = random.Random(7), 0  # noqa: S311 - repeatable on purpose
        for _ in range(300):
            spread = drawn.choice((0.01, 0.3, 2))
            levels = [drawn.choice((10, 10, 13)) for _ in range(drawn.randint(3, 6))]
            rounds = [
                sorted(round(drawn.lognormvariate(level, spread)) for _ in range(drawn.randint(72, 200)))
                for level in levels
            ]
            calls = sorted(call for calls in rounds for call in calls)
            p50_ns, p95_ns = calls[math.ceil(0.5 * len(calls)) - 1], calls[math.ceil(0.95 * len(calls)) - 1]
            interval = confidence.from_rounds([calls[math.ceil(0.95 * len(calls)) - 1] for calls in rounds])
            assert interval is not None
            low_ns, high_ns = confidence.possible(interval, p50_ns=p50_ns, p95_ns=p95_ns, max_ns=calls[-1])
            clipped += (low_ns, high_ns) != interval

            assert p50_ns <= low_ns <= p95_ns <= high_ns <= calls[-1]
        assert clipped > 100

    def test_an_interval_that_can_be_is_left_alone(self) -> None:
        """What lies between p50 and the slowest call, around p95, must stay as it was computed."""
        assert confidence.possible((80, 120), p50_ns=50, p95_ns=100, max_ns=200) == (80, 120)


class TestRanks:
    def test_72_samples_are_the_first_that_suffice(self) -> None:
        """71 samples must give none, 72 must need the very largest."""
        assert (None, 72) == (confidence.ranks(71), (confidence.ranks(72) or (0, 0))[1])

    @pytest.mark.parametrize("n", [72, 100, 1000, 20_000, 5_000_000])
    def test_it_holds_the_expected_rank(self, n: int) -> None:
        """The ranks must lie around 95 % of n, about two standard deviations to each side."""
        low, high = confidence.ranks(n) or (0, 0)
        width = 1.96 * (n * 0.95 * 0.05) ** 0.5
        assert low < 0.95 * n < high
        assert high - low == pytest.approx(2 * width, abs=2.5)

    def test_it_covers_as_often_as_it_says(self) -> None:
        """Of 2,000 draws of 100 uniform numbers, at least 95 % (and noise) must hold 0.95 between the two."""
        drawn, held = random.Random(7), 0  # noqa: S311 - repeatable on purpose
        low, high = confidence.ranks(100) or (0, 0)
        for _ in range(2000):
            numbers = sorted(drawn.random() for _ in range(100))
            held += numbers[low - 1] < 0.95 < numbers[high - 1]
        assert held >= 0.94 * 2000


class TestCallsNeeded:
    @pytest.mark.parametrize(("share", "expected"), [(0.95, 72), (0.99, 368), (0.999, 3688)])
    def test_it_is_the_first_number_of_calls_that_bounds_the_percentile(
        self, share: float, expected: int
    ) -> None:
        """With one call fewer, the chance that all calls lie below the percentile must exceed 2.5 %."""
        assert expected == calls_needed(share)
        assert share**expected < 0.025 <= share ** (expected - 1)
