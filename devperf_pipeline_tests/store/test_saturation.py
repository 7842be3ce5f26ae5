import random
from dataclasses import replace

import pytest

from devperf_pipeline.store.saturation import Knee, Point, knee_of

SWEEP = (1, 2, 5, 10, 20, 50, 100, 200)


def curve(*throughputs: float, limit_from: int = 1_000) -> list[Point]:
    """A sweep with such throughputs, whose latencies follow from them."""
    return [
        Point(users, throughput, int(users / throughput * 1e9), users >= limit_from)
        for users, throughput in zip(SWEEP, throughputs, strict=False)
    ]


class TestKneeOf:
    @pytest.mark.parametrize(
        ("throughputs", "expected"),
        [
            ((1000, 1900, 4000, 6000, 6900, 7100, 7000, 6900), 20),
            ((1000, 1010, 990, 1000, 1005, 1000, 995, 1000), 1),
            ((1000, 2000, 4000, 6000, 3000, 1000, 500, 200), 10),
            ((1000, 2000, 5000, 10_000, 20_000, 50_000, 95_000, 100_000), 100),
        ],
        ids=["growing, then flat", "flat", "collapsing", "almost still growing"],
    )
    def test_is_where_throughput_stops_growing(self, throughputs: tuple[float, ...], expected: int) -> None:
        """The knee is the fewest users near the best throughput, with the throughput that they reached."""
        found = knee_of(curve(*throughputs))

        assert (expected, throughputs[SWEEP.index(expected)]) == (found.users, found.throughput_per_s)

    def test_there_is_none_while_throughput_grows(self) -> None:
        """A service that always gets more done has no knee yet, and how far that was seen is said."""
        found = knee_of(curve(*(900 * users**0.9 for users in SWEEP)))

        assert Knee(None, None, "no knee up to 200 users: throughput was still growing") == found

    @pytest.mark.parametrize(("last_s", "doubted"), [(1.5, True), (0.5, False)])
    def test_a_longer_last_window_is_a_doubt(self, last_s: float, doubted: bool) -> None:
        """Where only the window of most users was much longer, its throughput may have grown by that, and this is said."""
        *others, last = curve(*(900 * users**0.9 for users in SWEEP))
        points = [replace(point, elapsed_ns=300_000_000) for point in others]
        found = knee_of([*points, replace(last, elapsed_ns=int(last_s * 1e9))])

        assert doubted == found.reason.endswith(
            "that window was 5 times as long as the others, so part of it may be its length"
        )

    def test_noise_does_not_move_it_along_the_plateau(self) -> None:
        """Throughputs that scatter by 4 % around a plateau from 20 users on give a knee at 20 users, nearly always."""
        drawn = random.Random(1)  # noqa: S311 - repeatable on purpose
        true = (1000, 1900, 3800, 5000, 7000, 7000, 7000, 7000)
        found = [knee_of(curve(*(one * drawn.gauss(1, 0.02) for one in true))).users for _ in range(200)]

        assert found.count(20) > 190

    def test_order_of_points_does_not_matter(self) -> None:
        """The same sweep read in another order has the same knee."""
        points = curve(1000, 1900, 4000, 6000, 6900, 7100, 7000, 6900)

        assert knee_of(points) == knee_of(points[::-1])

    def test_the_clients_knee_is_not_the_services(self) -> None:
        """Where the client was the limit at the knee no knee is given, and who was the limit is said."""
        found = knee_of(curve(1000, 1900, 4000, 6000, 6900, 7100, 7000, 6900, limit_from=20))

        assert found.users is None
        assert found.reason.startswith("the client was the limit from 20 users on")

    def test_few_points_say_nothing(self) -> None:
        """Two points are no sweep."""
        assert Knee(None, None, "2 valid points of the sweep are too few to see a knee") == knee_of(
            curve(1000, 1900)
        )

    def test_says_what_more_users_get(self) -> None:
        """The sentence has what the largest number of users wait and get done, against the knee."""
        found = knee_of(curve(1000, 1900, 4000, 6000, 6900, 7000, 7000, 6900))

        assert (
            "with 20 users 99 % of the best throughput is reached; with 200 half of all calls take 10.0 times as long, "
            "and 1.00 times as much gets done"
        ) == found.reason
