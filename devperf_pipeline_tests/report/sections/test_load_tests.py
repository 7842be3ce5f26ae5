from typing import Any

import pytest

from devperf_pipeline.report.contents import section
from devperf_pipeline.report.format import DASH
from devperf_pipeline.report.sections.load_tests import before_the_end
from devperf_pipeline_tests.report.conftest import given, points, tables

LADDER = ("p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "max")
TOOL: dict[str, Any] = {
    "service": "gin", "operation": "get-root", "users": 10, "tool": "ab", "engine_p50_ns": 50_000,
    "tool_p50_ns": None, "p50_ratio": None, "engine_throughput_per_s": 20_000.0, "tool_throughput_per_s": 10_000.0,
    "throughput_ratio": 0.5, "agrees": False, "says": "ab | was at its limit",
}  # fmt: skip


def loaded(users: int, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "service": "gin", "operation": "get-health-all", "title": None, "benchmark": "b", "users": users, "throughput_per_s": 320.0, "n": 60_000,
        "failed": 0, "non_success": 0, "elapsed_ns": 60_000_000_000, "mean_ns": 312_000_000.0,
        "mean_across_users_ns": 3_120_000.0, "valid": True, "invalid_reason": None, "placement": None, "busy_rounds": 0,
        **{f"{name}_ns": 1_000_000 * (place + 1) for place, name in enumerate(LADDER)},
    }  # fmt: skip
    return found | values


class TestLoadTests:
    def test_the_ladder_is_that_of_the_longest_load(self) -> None:
        """The longest valid load has a line, and one of its percentiles; the sweep has a column a number of users."""
        tests = [
            loaded(1),
            loaded(100, elapsed_ns=90_000_000_000),
            loaded(150),
            loaded(200, valid=False, invalid_reason="2 answers were a limit's"),
        ]
        text = section("load_tests", given(load_tests=tests))
        loads, ladder, sweep = tables(text)

        assert [["100", "320/s"]] == [line[2:4] for line in loads]
        assert [["Gin", "get-health-all", *["320/s, 6.00 ms"] * 3, "~~invalid~~"]] == sweep
        assert ["Gin", "100", "1.00 ms", "2.00 ms", "3.00 ms"] == ladder[0][:5]
        assert points(text) == ["~~Gin~~, 200 users: 2 answers were a limit's"]

    def test_what_does_not_count_with_one_user(self) -> None:
        """One user is one, also where the load does not count."""
        tests = [loaded(1, valid=False, invalid_reason="a limit answered")]

        assert points(section("load_tests", given(load_tests=tests))) == ["~~Gin~~, 1 user: a limit answered"]

    def test_names_loads_that_were_not_alone(self) -> None:
        """What others did meanwhile was measured too, and the service and its users are named."""
        tests = [loaded(users, busy_rounds=int(users > 5)) for users in (5, 10, 1_000)]
        tests.append(loaded(1, service="redis", operation="get-hit", busy_rounds=1))

        assert points(section("load_tests", given(load_tests=tests))) == [
            "Gin: 10, 1,000 users",
            "Redis, one node: 1 user",
        ]

    def test_where_more_users_only_wait(self) -> None:
        """The knee is said with its throughput, or why there is none."""
        names = {"service": "gin", "operation": "get-health-all"}
        knees = [
            {**names, "knee_users": 25, "knee_throughput_per_s": 2_400.0, "reason": "flat from there"},
            {**names, "knee_users": None, "knee_throughput_per_s": None, "reason": "still growing"},
        ]

        assert points(section("load_tests", given(load_tests=[loaded(1)], knees=knees))) == [
            "Gin, get-health-all: 25 users at 2,400/s (flat from there)",
            "Gin, get-health-all: not found (still growing)",
        ]

    def test_the_end_of_a_load_is_no_part_of_its_course(self) -> None:
        """Pieces whose calls were quick only because the others had stopped are left out."""
        pieces = [{"at_ns": 1_000 + 100 * number + 50} for number in range(10)]

        assert pieces[:7] == before_the_end(pieces, {"elapsed_ns": 1_000, "p50_ns": 250}, 100)
        assert [] == before_the_end([], {"elapsed_ns": 1_000, "p50_ns": 250}, 100)

    def test_nothing_loaded_no_section(self) -> None:
        """Without load tests there is no empty table."""
        assert ("", "") == (section("load_tests", given()), section("reference_tools", given()))


class TestBeside:
    def test_a_tool_stands_beside_the_engine(self) -> None:
        """Both figures, their ratios, and whether they agree; what a tool does not state is a dash."""
        [[line]] = tables(section("reference_tools", given(tools=[TOOL])))

        assert line == [
            "Gin", "get-root", "ab", "10", "50.0 µs", DASH, DASH, "20,000/s", "10,000/s", "0.50", "**no**",
            "ab \\| was at its limit",
        ]  # fmt: skip

    @pytest.mark.parametrize(("agrees", "word"), [(True, "yes"), (None, "cannot tell")])
    def test_what_cannot_be_told_is_no_difference(self, agrees: bool | None, word: str) -> None:
        """A row that cannot be judged says so, and neither yes nor no."""
        [[line]] = tables(section("reference_tools", given(tools=[{**TOOL, "agrees": agrees}])))

        assert word in line

    def test_a_summary_stands_on_top(self) -> None:
        """How many agree, differ, and cannot be told stands before the table, and no number of none."""
        verdicts = [True, None, True, None, True]
        text = section("reference_tools", given(tools=[{**TOOL, "agrees": agrees} for agrees in verdicts]))

        said = "**Reference tools repeated 5 benchmarks of the engine: 3 agree, 2 cannot be judged.**"
        assert said == text.split("\n\n")[1]
        assert ["yes", "cannot tell", "yes", "cannot tell", "yes"] == [line[10] for line in tables(text)[0]]
