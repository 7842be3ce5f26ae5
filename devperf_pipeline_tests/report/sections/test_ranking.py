from collections.abc import Sequence
from typing import Any

import pytest

from devperf_pipeline.analyse.ranking import Ranking, Reading
from devperf_pipeline.report.contents import section
from devperf_pipeline.report.sections.ranking import HEADLINE
from devperf_pipeline_tests.report.conftest import given, points, tables


def reading(service: str, p95_ns: int, **values: Any) -> Reading:
    found: dict[str, Any] = {
        "route": HEADLINE, "n": 500, "valid": True, "invalid_reason": None, "placement": "together:1",
        "p50_ns": p95_ns // 2, "p95_low_ns": p95_ns - 100_000, "p95_high_ns": p95_ns + 100_000, "aggregation": None,
    }  # fmt: skip
    return Reading(service=service, p95_ns=p95_ns, **{**found, **values})


def ranking(*places: Reading, route: str = HEADLINE, **left_out: str) -> Ranking:
    return Ranking(route=route, places=places, left_out=left_out)


def winner(rankings: list[Ranking], tests: Sequence[dict[str, Any]] = ()) -> str:
    """The sentences about the fastest API."""
    return section("fastest_api", given(rankings=rankings, load_tests=tests))


def table(name: str, *rankings: Ranking) -> list[list[str]]:
    [found] = tables(section(name, given(rankings=rankings)))
    return found


class TestWinner:
    def test_is_sure_where_bounds_lie_apart(self) -> None:
        """Who is first is said with both figures, and that it is no chance."""
        said = winner([ranking(reading("gin", 1_000_000), reading("express", 2_000_000))])

        assert said == (
            "**Gin** is the fastest API on GET /health/all with one user: its p95 is 1.00 ms, that of Express is 2.00 ms, "
            "and their bounds do not overlap."
        )

    def test_is_doubtful_where_they_overlap(self) -> None:
        """A lead within the bounds is no lead: all whose bounds reach the first one's are named alike."""
        places = [reading("gin", 1_000_000), reading("express", 1_050_000), reading("fastapi", 2_000_000)]

        assert winner([ranking(*places)]) == (
            "The fastest APIs on GET /health/all with one user are **Gin** and **Express**, which cannot be told apart: "
            "their p95 is 1.00 ms (0.90 ms to 1.10 ms) and 1.05 ms (0.95 ms to 1.15 ms), and these bounds overlap."
        )

    @pytest.mark.parametrize(
        ("express_p95_ms", "said"),
        [
            (
                [9, 30, 60],
                "Under load, **Gin** has the lowest p95 with 2, 5 and 9 users: 40.0 ms against 60.0 ms of Express with 9 users",
            ),
            ([5, 5, 60], "Under load, the lowest p95 is that of Express with 2 and 5 and Gin with 9 users"),
        ],
    )
    def test_load_tests_have_their_say(self, express_p95_ms: list[int], said: str) -> None:
        """After one user stands who is first with more of them, by number of users where that changes."""
        tests: list[dict[str, Any]] = [
            {
                "service": service,
                "operation": HEADLINE,
                "users": users,
                "valid": True,
                "p95_ns": p95_ms * 1_000_000,
            }
            for service, times in (("gin", [8, 20, 40]), ("express", express_p95_ms), ("redis", [1, 1, 1]))
            for users, p95_ms in zip((2, 5, 9), times, strict=True)
        ]
        places = [reading("express", 1_000_000), reading("gin", 1_050_000)]

        assert f"{said} (load tests: one window each, without bounds)." in str(
            winner([ranking(*places)], tests)
        )

    def test_the_other_routes_have_a_first_of_their_own(self) -> None:
        """Whoever comes first on most of the other routes is named, be it the one of the headline or not."""
        faster, sure = reading("actix", 1_000_000), reading("actix", 300_000)
        said = winner(
            [
                ranking(reading("gin", 1_000_000), reading("actix", 2_000_000)),
                ranking(faster, reading("gin", 1_050_000), route="GET /"),
                ranking(sure, reading("gin", 900_000), route="GET /health"),
                ranking(reading("gin", 1_000_000), faster, route="GET /x"),
            ],
        )

        assert said
        assert said.endswith(
            " Actix Web is first on 2 of the 3 other routes; on 1 of them the bounds do not overlap."
        )

    def test_who_comes_first_as_often_is_named_too(self) -> None:
        """Of two that come first on as many of the other routes neither is told of alone."""
        one, other = reading("gin", 1_000_000), reading("actix", 2_000_000)
        faster = reading("actix", 300_000)
        said = winner(
            [
                ranking(one, other),
                ranking(one, other, route="GET /"),
                ranking(faster, one, route="GET /health"),
            ],
        )

        assert said
        assert said.endswith(
            " On the 2 other routes, Gin and Actix Web are first equally often, on 1 each; "
            "on 2 of all these routes the bounds do not overlap."
        )

    def test_whoever_comes_before_a_tie_is_part_of_it(self) -> None:
        """A third whose wide bounds reach the first's does not push the faster second out; nothing lies apart then."""
        wide = reading("fastapi", 2_100_000, p95_low_ns=1_000_000, p95_high_ns=9_000_000)
        places = [reading("gin", 1_000_000), reading("express", 2_000_000), wide]
        said = winner([ranking(*places), ranking(*places, route="GET /")])

        assert said
        assert said.startswith(
            "The fastest APIs on GET /health/all with one user are **Gin**, **Express** and **FastAPI, code-first**, which"
        )
        assert said.endswith("Gin is first on the other route, with bounds that overlap or are unknown.")

    def test_a_range_of_users_has_no_hole(self) -> None:
        """Users are a range only where nobody else leads in between."""
        least = {2: "gin", 5: "gin", 20: "gin", 50: "express", 100: "express", 200: "gin"}
        tests: list[dict[str, Any]] = [
            {
                "service": service,
                "operation": HEADLINE,
                "users": users,
                "valid": True,
                "p95_ns": 1 if leader == service else 2,
            }
            for users, leader in least.items()
            for service in ("gin", "express")
        ]
        said = winner([ranking(reading("gin", 1_000_000), reading("express", 2_000_000))], tests)

        assert "Gin with 2, 5, 20 and 200 and Express with 50 and 100 users" in str(said)

    def test_nobody_wins_alone(self) -> None:
        """Without a second there is no first."""
        assert winner([ranking(reading("gin", 1_000_000))]) == ""

    def test_apis_without_that_route_have_a_first_of_their_own(self) -> None:
        """Where nobody can be compared on the usual route, the first one on which two can is told of, by their own names."""
        places = [reading("api_next", 1_000_000), reading("api", 2_000_000)]
        said = winner(
            [
                ranking(reading("gin", 1_000_000)),
                ranking(*places, route="GET /orders/[7]"),
                ranking(*places, route="GET /carts/7"),
            ],
        )

        assert said == (
            r"**API next** is the fastest API on GET /orders/\[7\] with one user: its p95 is 1.00 ms, that of Your API is "
            "2.00 ms, and their bounds do not overlap. API next is first on the other route, with bounds that do not overlap."
        )


class TestRanking:
    def test_the_headline_comes_first_and_says_how_many_times(self) -> None:
        """One line a route in one unit, the aggregate of all health checks first; who may be as fast is marked."""
        rankings = (
            ranking(reading("actix", 10_000), reading("gin", 12_000), route="GET /"),
            ranking(reading("gin", 1_000_000), reading("actix", 1_500_000)),
        )

        assert table("ranking", *rankings) == [
            [HEADLINE, "ms", "Gin 1.00", "Actix Web 1.50 (×1.50)"],  # noqa: RUF001 - as many times
            ["GET /", "µs", "Actix Web 10.0", "≈ Gin 12.0 (×1.20)"],  # noqa: RUF001 - the same
        ]

    def test_who_is_left_out_is_named_even_where_nobody_can_be_ranked(self) -> None:
        """The reason stands once, with the routes that it is about."""
        why = "its answer has <no> field"
        rankings = [ranking(reading("gin", 1), express=why), ranking(route="GET /x", express=why)]

        assert points(section("ranking", given(rankings=rankings))) == [
            f"Express on {HEADLINE}, GET /x: its answer has &lt;no&gt; field"
        ]

    def test_nothing_ran(self) -> None:
        """Without rankings there is no section."""
        assert ("", "") == (section("ranking", given(rankings=[])), section("compared", given(rankings=[])))


class TestCompared:
    def test_relative_performance_and_who_is_not_ranked(self) -> None:
        """Everybody is there; who cannot be compared has no number."""
        places = reading("gin", 1_000_000), reading("express", 2_500_000)

        assert [("Gin", "first"), ("Express", "2.50 times"), ("FastAPI, code-first", "not ranked")] == [
            (line[0], line[4]) for line in table("compared", ranking(*places, fastapi="other work"))
        ]
