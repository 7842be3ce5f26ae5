import random
from itertools import permutations

import pytest

from devperf_pipeline.store.line_fit import Slope, slope


class TestSlope:
    def test_a_straight_line(self) -> None:
        """Points of a line have its slope, without any doubt."""
        assert Slope(8.0, 8.0, 8.0) == slope([(x, 100 + 8 * x) for x in (0, 25, 50, 75, 100)])

    def test_one_wild_point_moves_it_little(self) -> None:
        """A page cache that came in the middle is no memory per request."""
        points = [(x, 8.0 * x) for x in (0, 25, 50, 75, 100, 150, 200)]
        points[3] = (75, 1e6)
        found = slope(points)

        assert found is not None
        assert 8.0 == found.value

    def test_ends_by_ranks(self) -> None:
        """Of 7 points, 3 slopes of 21 lie outside on each side: 3 pairs the wrong way round or fewer are 1.5 %."""
        orders = list(permutations(range(7)))
        wrong = [sum(a > b for i, a in enumerate(o) for b in o[i + 1 :]) for o in orders]
        drawn = random.Random(1)  # noqa: S311 - repeatable on purpose
        points = [(float(x), drawn.random()) for x in range(7)]
        slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1 :])
        found = slope(points)

        assert (
            sum(one <= 3 for one in wrong) / len(wrong) <= 0.025 < sum(one <= 4 for one in wrong) / len(wrong)
        )
        assert Slope(slopes[10], slopes[3], slopes[-4]) == found

    def test_few_points_have_no_interval(self) -> None:
        """Four points cannot give one of 95 %; five can."""
        four = slope([(0, 1), (1, 2), (2, 3), (3, 4)])
        five = slope([(0, 1), (1, 2), (2, 3), (3, 4), (4, 9)])

        assert Slope(1.0, None, None) == four
        assert five is not None
        assert (1.0, 5.0) == (five.low, five.high)

    @pytest.mark.parametrize("points", [[], [(1, 2)], [(1, 2), (1, 5)]])
    def test_no_line(self, points: list[tuple[float, float]]) -> None:
        """Without two different numbers there is no slope."""
        assert None is slope(points)

    def test_interval_holds_what_it_promises(self) -> None:
        """Where the truth is known it lies inside in at least 93 of 100 draws, whatever the errors look like."""
        drawn = random.Random(7)  # noqa: S311 - repeatable on purpose
        inside = 0
        for _ in range(400):
            points = [(x, 8 * x + drawn.choice((1, 10)) * drawn.gauss(0, 50)) for x in range(0, 210, 30)]
            found = slope(points)
            assert found is not None
            assert found.low is not None
            assert found.high is not None
            inside += found.low <= 8 <= found.high

        assert inside > 400 * 0.93
