import base64
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from devperf_pipeline.report.loaded import read
from devperf_pipeline.report.service_pages import service_pages
from devperf_pipeline.report.stage_pages import Page
from devperf_pipeline.store.warehouse import connect

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection
    from devperf_pipeline_tests.report.conftest import Warehouse


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
