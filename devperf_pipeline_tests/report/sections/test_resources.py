from typing import Any

import pytest

from devperf_pipeline.report.contents import section
from devperf_pipeline.report.format import DASH
from devperf_pipeline_tests.report.conftest import given, tables

MIB = 1 << 20


def used(service: str, category: str, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "service": service, "category": category, "phase": "idle", "benchmark": None, "users": 0, "readings": 20,
        "cpu_p5": 0.5, "cpu_p50": 1.0, "cpu_p95": 2.0, "rss_bytes": 10 * MIB, "rss_max_bytes": 12 * MIB,
        "pss_bytes": 8 * MIB, "vsz_bytes": 100 * MIB, "processes": 2, "threads": 3, "written_per_s": None,
    }  # fmt: skip
    return found | values


class TestIdle:
    def test_totals_are_the_sums_of_their_rows(self) -> None:
        """A group of several has a sum, and the total is the sum of all services; what is no part of the stack comes after."""
        rows = [
            used("mysql", "databases"),
            used("postgresql", "databases", rss_bytes=30 * MIB),
            used("redis", "caching"),
            used("total", "total", rss_bytes=999 * MIB),
            used("host", "host", rss_bytes=5_000 * MIB),
        ]
        [table] = tables(section("usage", given(resources=rows)))

        shown = [(line[1], line[3]) for line in table]
        assert shown == [
            ("MySQL", "10 MiB"),
            ("PostgreSQL", "30 MiB"),
            ("*together*", "40 MiB"),
            ("Redis, one node", "10 MiB"),
            ("**Total**", "**50 MiB**"),
            ("host", "4.88 GiB"),
        ]

    def test_a_sum_without_a_part_is_none(self) -> None:
        """Where one service cannot be read there is no total that would pass for the whole."""
        rows = [used("mysql", "databases"), used("redis", "caching", pss_bytes=None)]
        [table] = tables(section("usage", given(resources=rows)))

        assert table[-1][4] == f"**{DASH}**"


class TestLoad:
    def test_what_the_loaded_service_used_with_most_users(self) -> None:
        """One line a service: its own largest load, not what others used meanwhile."""
        load = {"phase": "load", "benchmark": "redis/get-hit/sustained-100/engine", "users": 100}
        rows = [
            used("redis", "caching", **load, cpu_p50=97.0),
            used("redis", "caching", **{**load, "users": 10}),
            used("mysql", "databases", **load),
            used("redis_cluster/1", "caching", **load),
        ]
        [table] = tables(section("usage", given(resources=rows)))

        assert [("Redis, one node", "100", "97.0", "0.5 to 2.0")] == [tuple(line[:4]) for line in table]

    def test_what_was_not_told_is_one_dash(self) -> None:
        """Without CPU there is no range of it."""
        load = {"phase": "load", "benchmark": "redis/get-hit/sustained-100/engine", "users": 100}
        rows = [used("redis", "caching", **load, cpu_p5=None, cpu_p50=None, cpu_p95=None)]
        [table] = tables(section("usage", given(resources=rows)))

        assert [[DASH, DASH]] == [line[2:4] for line in table]


class TestMemory:
    def test_shared_pages_are_not_counted_twice(self) -> None:
        """One line a service, the cheapest first, by PSS where it could be read; a slope below nothing keeps its sign."""
        row = {"points": 6, "low_bytes": -100.0, "high_bytes": 9_000.0, "verdict": "cannot tell"}
        rows = [
            {"service": "gin", "measure": "rss", "bytes_per_request": 4_096.0, **row},
            {"service": "gin", "measure": "pss", "bytes_per_request": 2_048.0, **row},
            {"service": "actix", "measure": "rss", "bytes_per_request": -512.0, **row},
            {"service": "actix", "measure": "pss", "bytes_per_request": None, **row},
        ]
        [table] = tables(section("memory", given(memory=rows)))

        assert [("Actix Web", "−512 B", "RSS"), ("Gin", "2 KiB", "PSS")] == [  # noqa: RUF001 - a minus
            (line[0], line[1], line[3]) for line in table
        ]

    @pytest.mark.parametrize(("low", "told"), [(8_000.0, 1), (9_500.0, 0)])
    def test_nobody_is_least_where_all_bounds_overlap(self, low: float, told: int) -> None:
        """An order within the bounds is none, and the page says so; one that is outside them is not denied."""
        row = {"points": 6, "measure": "pss", "bytes_per_request": 9_000.0, "verdict": "grows"}
        rows = [
            {"service": "gin", "low_bytes": 100.0, "high_bytes": 9_000.0, **row},
            {"service": "actix", "low_bytes": low, "high_bytes": 20_000.0, **row},
        ]

        said = "The bounds of all services overlap: none can be said to use least."
        assert told == section("memory", given(memory=rows)).count(said)

    def test_nothing_measured_no_section(self) -> None:
        """Without rows there is no empty table."""
        assert ("", "") == (section("memory", given()), section("usage", given()))
