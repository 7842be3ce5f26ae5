import re
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

from devperf_pipeline.report.charts import latency_curve, overview
from devperf_pipeline.report.loaded import load

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse


def texts(svg: str | None) -> list[str]:
    """Everything that is written in a picture."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg or "")


class TestLatencyCurve:
    def test_a_panel_for_each_number_of_users(self, warehouse: "Warehouse") -> None:
        """Loads are not mixed in one panel, and every operation is in the key once."""
        run = warehouse.baseline(25)
        for users in (1, 10):
            warehouse.reading(run, "redis", "get", users=users)
            warehouse.reading(run, "redis", "set", users=users)
        with load(warehouse.folders) as report:
            part = report.parts[0]
            written = texts(latency_curve(part, report.curves(part)))

        assert ["1 user", "10 users", "GET", "SET"] == [
            text for text in written if text in {"1 user", "10 users", "GET", "SET"}
        ]
        assert {"50 %", "90 %", "99 %", "1 ms", "100 µs"} <= set(written)

    def test_marks_of_a_narrow_panel_do_not_meet(self, warehouse: "Warehouse") -> None:
        """With many calls and three panels, marks of the share of calls stand as far apart as they are wide."""
        run = warehouse.baseline(25)
        for users in (1, 5, 10):
            for operation in ("get", "set", "del"):
                warehouse.reading(run, "redis", operation, users=users, n=20_000)
        with load(warehouse.folders) as report:
            part = report.parts[0]
            svg = latency_curve(part, report.curves(part)) or ""

        marks = re.findall(r'<text[^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>([\d.]+ %|min)</text>', svg)
        places = sorted((float(across), text) for across, _, text in marks)
        assert len(places) >= 9
        assert [] == [
            pair for pair in pairwise(places) if pair[1][0] - pair[0][0] < 2.5 * len(pair[0][1] + pair[1][1])
        ]

    def test_an_operation_keeps_its_colour(self, warehouse: "Warehouse") -> None:
        """The colour of an operation is the same on the page and in the dialog."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get")
        warehouse.reading(run, "redis", "set")
        with load(warehouse.folders) as report:
            part = report.parts[0]
            wide = latency_curve(part, report.curves(part))
            small = latency_curve(part, report.curves(part), small=True)

        def strokes(svg: str | None) -> list[str]:
            return re.findall(r"stroke: (#\w+); stroke-width: 1.5", svg or "")

        assert len(set(strokes(wide))) == 2
        assert strokes(wide) == strokes(small)

    def test_no_samples_no_picture(self, warehouse: "Warehouse") -> None:
        """Where no raw sample is left there is nothing to draw."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get")
        with load(warehouse.folders) as report:
            part = report.parts[0]

        assert latency_curve(part, {}) is None


class TestOverview:
    def test_every_valid_operation_of_one_user_is_drawn(self, warehouse: "Warehouse") -> None:
        """One line an operation, with its median in figures, between two axes; invalid readings, floors and more users are not drawn."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get", p50_ns=19_800)
        warehouse.reading(run, "redis", "set", valid=False)
        warehouse.reading(run, "redis", "many", users=10)
        warehouse.reading(run, "redis", "floor")
        warehouse.reading(run, "fastapi", "health", p50_ns=620_000)
        with load(warehouse.folders) as report:
            written = texts(overview(report.parts))

        assert 2 == written.count("100 µs")
        expected = {"Redis, one node", "GET", "19.8 µs", "FastAPI, code-first", "HEALTH", "0.62 ms"}
        assert expected <= set(written)
        assert not {"SET", "MANY", "FLOOR"} & set(written)

    def test_nothing_valid_no_picture(self) -> None:
        """Without readings there is no empty picture."""
        assert overview([]) is None


class TestImport:
    def test_matplotlib_waits_for_the_first_picture(self) -> None:
        """Reading the definitions does not pay for pictures that nobody draws."""
        code = (
            "import sys, devperf_pipeline.report.render, devperf_pipeline.report.asset_pages;"
            "sys.exit('matplotlib' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
