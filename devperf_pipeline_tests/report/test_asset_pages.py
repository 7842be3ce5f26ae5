import base64
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from devperf_pipeline.report.asset_pages import Page, page, service_pages
from devperf_pipeline.report.loaded import read
from devperf_pipeline.store.warehouse import connect

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection
    from devperf_pipeline_tests.report.conftest import Warehouse

MIB = 1 << 20


def samples(con: "Connection", service: str) -> Page:
    return service_pages(read(con))[service]["samples"]


class TestPanel:
    def test_the_chart_is_inline_and_fits_the_dialog(self, warehouse: "Warehouse") -> None:
        """The picture is part of the Markdown, at most 450 pixels wide."""
        run = warehouse.baseline(25)
        warehouse.service(run, "redis")
        warehouse.reading(run, "redis", "get")
        warehouse.reading(run, "redis", "get", users=10)
        with connect(warehouse.folders) as con:
            panel = samples(con, "redis").panel

        found = re.search(r"\(data:image/svg\+xml;base64,([^)]+)\)", panel)
        assert found
        picture = ET.fromstring(base64.b64decode(found[1]))  # noqa: S314 - our own picture
        assert 0 < float(picture.attrib["width"]) <= 450
        assert panel.startswith("Redis, version 7.0.15. 1,000 calls in this baseline, without load tests.")

    def test_what_does_not_count_is_said(self, warehouse: "Warehouse") -> None:
        """A service with nothing but invalid readings has no chart and a reason."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get", valid=False, invalid_reason="wrong answers")
        with connect(warehouse.folders) as con:
            panel = samples(con, "redis").panel

        assert "- ~~GET~~, 1 user, engine: wrong answers" in panel.splitlines()
        assert "data:image" not in panel

    def test_a_service_nobody_measured(self, warehouse: "Warehouse") -> None:
        """A service without any row has no page."""
        warehouse.baseline(25)
        with connect(warehouse.folders) as con:
            assert {} == service_pages(read(con))


class TestRows:
    def test_numbers_are_rounded_and_sortable(self, warehouse: "Warehouse") -> None:
        """Dagster's table has numbers in milliseconds, and the driver's median beside the engine's."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get", p50_ns=20_123, errors=1)
        warehouse.reading(run, "redis", "get", instrument="driver", p50_ns=44_100)
        with connect(warehouse.folders) as con:
            rows = samples(con, "redis").rows

        expected = {
            "operation": "GET",
            "users": 1,
            "calls/s": 18_000,
            "p50 ms": 0.0201,
            "p95 ms": 0.03,
            "p99 ms": 0.05,
            "max ms": 0.09,
            "n": 500,
            "errors": 1,
            "instrument": "engine",
            "driver p50 ms": 0.0441,
            "valid": "yes",
        }
        assert [expected] == rows

    def test_too_few_calls_give_no_number(self, warehouse: "Warehouse") -> None:
        """The table on the asset's page is as careful as the report."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get", n=50)
        with connect(warehouse.folders) as con:
            row = samples(con, "redis").rows[0]

        assert (None, None) == (row["p95 ms"], row["p99 ms"])

    def test_each_service_shows_its_last_baseline(self, warehouse: "Warehouse") -> None:
        """A page has what the newest baseline of that service measured, and says when that was; only new numbers are drawn."""
        first, second = warehouse.baseline(22), warehouse.baseline(25)
        warehouse.reading(first, "redis", "get")
        warehouse.reading(first, "redis", "set")
        warehouse.reading(second, "redis", "set")
        warehouse.service(second, "rabbitmq", state="failed", reason="no answer")
        warehouse.service(second, "redis")
        warehouse.reading(first, "rabbitmq", "publish")
        with connect(warehouse.folders) as con:
            pages = service_pages(read(con))
        new, old = pages["redis"]["samples"], pages["rabbitmq"]["samples"]

        assert ["SET"] == [row["operation"] for row in new.rows]
        assert {"p50 ms, SET", "p95 ms, SET", "p99 ms, SET"} == new.trend.keys()
        assert "" == new.note
        assert ["PUBLISH"] == [row["operation"] for row in old.rows]
        assert {} == old.trend
        assert f"measured in {first}" == old.note
        assert "RabbitMQ failed: no answer" in old.panel


def load_test(warehouse: "Warehouse", baseline_id: str, service: str, users: int, **values: Any) -> None:
    found: dict[str, Any] = {
        "baseline_id": baseline_id, "service": service, "operation": "get-health-all",
        "benchmark": f"{service}/get-health-all/sustained-{users}/engine", "users": users, "limit_calls": 60_000,
        "limit_s": 1.5, "elapsed_ns": 1_500_000_000, "n": 1_500, "failed": 0, "non_success": 0,
        "throughput_per_s": 1_000.4, "p50_ns": 1_234_567, "p95_ns": 2_000_000, "p99_ns": 3_000_000,
        "max_ns": 4_000_000, "valid": True, "client_share": 0.1, "engine_processes": 1, "at_limit": False,
    }  # fmt: skip
    warehouse.row("load_tests", **found | values)


def used(warehouse: "Warehouse", baseline_id: str, service: str, **values: Any) -> None:
    found: dict[str, Any] = {
        "baseline_id": baseline_id, "service": service, "category": "caching", "phase": "idle", "benchmark": None,
        "users": 0, "readings": 20, "seconds": 5.0, "cpu_p50": 1.0, "rss_bytes": 10 * MIB, "pss_bytes": 4 * MIB,
        "source": "processes",
    }  # fmt: skip
    warehouse.row("resources", **found | values)


def stated(warehouse: "Warehouse", baseline_id: str, operation: str, **values: Any) -> None:
    found: dict[str, Any] = {
        "baseline_id": baseline_id, "service": "redis_cluster", "operation": operation,
        "benchmark": f"redis_cluster/{operation}/closed-50/redis-benchmark", "instrument": "redis-benchmark",
        "users": 50, "load": "closed-50", "round": 1, "began_at": "2026-11-25T03:16:00Z", "elapsed_ns": 250_000_000,
        "n": 10_000, "errors": 0, "throughput_per_s": 40_000.0, "shares": [0.5, 0.95],
        "latencies_ns": [95_000, 319_000], "about": {"looks every": "250000000"},
    }  # fmt: skip
    warehouse.row("stated", **found | values)


class TestLoadTests:
    def test_table_picture_and_trend(self, warehouse: "Warehouse") -> None:
        """
        A line for each number of users, invalid ones with their reason; the sweep as a picture that fits the dialog; the
        load test and the knee as numbers over time; nobody else's rows.
        """
        run = warehouse.baseline(25)
        load_test(warehouse, run, "gin", 1)
        load_test(warehouse, run, "gin", 100, throughput_per_s=2_000.0)
        load_test(warehouse, run, "gin", 200, valid=False, invalid_reason="9 calls were refused")
        load_test(warehouse, run, "express", 100)
        warehouse.row(
            "knees", baseline_id=run, service="gin", operation="get-health-all", knee_users=20,
            knee_throughput_per_s=1_900.0, reason="94 % of the best",
        )  # fmt: skip
        with connect(warehouse.folders) as con:
            shown = page(read(con, run), run, "load_tests", "gin")
        picture = re.search(r"base64,([^)]+)", shown.panel)

        assert [
            (1, 1_000, 1.23, "yes"),
            (100, 2_000, 1.23, "yes"),
            (200, 1_000, 1.23, "9 calls were refused"),
        ] == [(row["users"], row["calls/s"], row["p50 ms"], row["valid"]) for row in shown.rows]
        assert {
            "calls/s, 100 users": 2_000.0,
            "p95 ms, 100 users": 2.0,
            "knee, users": 20.0,
            "knee, calls/s": 1_900.0,
        } == shown.trend
        assert picture
        assert 0 < float(ET.fromstring(base64.b64decode(picture[1])).attrib["width"]) <= 450  # noqa: S314 - our own picture
        assert "only wait longer: Gin, get-health-all: 20 users at 1,900/s (94 % of the best)." in shown.panel

    def test_too_few_calls_have_no_percentile(self, warehouse: "Warehouse") -> None:
        """From 72 calls on there is a p95 and from 368 on a p99, as in every other table, in the trend too."""
        run = warehouse.baseline(25)
        for users, n in ((1, 71), (2, 72), (5, 367), (10, 368), (100, 71)):
            load_test(warehouse, run, "gin", users, n=n)
        with connect(warehouse.folders) as con:
            shown = page(read(con, run), run, "load_tests", "gin")

        assert [(None, None), (2.0, None), (2.0, None), (2.0, 3.0), (None, None)] == [
            (row["p95 ms"], row["p99 ms"]) for row in shown.rows
        ]
        assert {"calls/s, 100 users": 1_000.4} == shown.trend


class TestResources:
    def test_too_few_readings_have_no_cpu(self, warehouse: "Warehouse") -> None:
        """One reading has no range, and may lie half outside the load."""
        run = warehouse.baseline(25)
        for users, readings in ((50, 1), (100, 3)):
            used(
                warehouse, run, "redis", phase="load", users=users, readings=readings, cpu_p5=0.5, cpu_p95=2.0,
                benchmark=f"redis/get-hit/sustained-{users}/engine",
            )  # fmt: skip
        with connect(warehouse.folders) as con:
            shown = page(read(con, run), run, "resources", "redis")

        assert [(None, None, None), (1.0, 0.5, 2.0)] == [
            (row["CPU %, p50"], row["CPU %, p5"], row["CPU %, p95"]) for row in shown.rows
        ]

    def test_nodes_are_rows_and_their_sums_the_trend(self, warehouse: "Warehouse") -> None:
        """Each node at rest and under its own loads; what it used while others were loaded is not its page's."""
        run = warehouse.baseline(25)
        own = {"phase": "load", "benchmark": "redis_cluster/get/sustained-50/engine", "users": 50}
        used(warehouse, run, "redis_cluster/2", **own)
        used(warehouse, run, "redis_cluster/1", phase="load", benchmark="redis/get-hit/sustained-50/engine")
        used(warehouse, run, "redis_cluster/1")
        used(warehouse, run, "redis_cluster/2")
        used(warehouse, run, "redis")
        with connect(warehouse.folders) as con:
            shown = page(read(con, run), run, "resources", "redis_cluster")

        assert [("redis_cluster/1", "idle"), ("redis_cluster/2", "idle"), ("redis_cluster/2", "load")] == [
            (row["process tree"], row["phase"]) for row in shown.rows
        ]
        assert {"idle, CPU %": 2.0, "idle, RSS MiB": 20.0, "idle, PSS MiB": 8.0} == shown.trend

    def test_memory_that_cannot_be_told_is_no_trend(self, warehouse: "Warehouse") -> None:
        """A slope inside its error stands in words and is not drawn."""
        run = warehouse.baseline(25)
        warehouse.row(
            "memory_per_request", baseline_id=run, service="gin", measure="pss", points=5, users_max=200,
            bytes_per_request=100.0, low_bytes=-2_048.0, high_bytes=4_096.0, tells=False, verdict="cannot tell",
        )  # fmt: skip
        with connect(warehouse.folders) as con:
            shown = page(read(con, run), run, "resources", "gin")

        assert {} == shown.trend
        assert "(PSS): 100 B (−2 KiB to 4 KiB); cannot tell." in shown.panel  # noqa: RUF001 - a minus


class TestTools:
    def test_one_that_sees_its_end_late_is_said_so(self, warehouse: "Warehouse") -> None:
        """Every run is a row; a failed one says why and is not drawn."""
        run = warehouse.baseline(25)
        stated(warehouse, run, "benchmark-get")
        stated(warehouse, run, "set-distributed", problem="it did not end", throughput_per_s=None)
        with connect(warehouse.folders) as con:
            shown = page(read(con, run), run, "tools", "redis_cluster")

        assert [
            (
                "GET",
                40_000,
                0.095,
                0.319,
                "at least so many calls/s: it sees only every 250 ms whether it has finished",
            ),
            ("set-distributed", None, 0.095, 0.319, "it did not end"),
        ] == [
            (row["operation"], row["calls/s"], row["p50 ms"], row["p95 ms"], row["beside the engine"])
            for row in shown.rows
        ]
        assert {"calls/s, GET, redis-benchmark": 40_000.0} == shown.trend


class TestOthers:
    def test_what_was_not_measured_has_an_empty_page(self, warehouse: "Warehouse") -> None:
        """No rows, nothing to draw, nothing to say."""
        run = warehouse.baseline(25)
        with connect(warehouse.folders) as con:
            found = [
                page(read(con, run), run, stage, "gin")
                for stage in ("load_tests", "resources", "tools", "samples")
            ]

        assert [([], {}, "")] * 4 == [([*one.rows], one.trend, one.panel) for one in found]
