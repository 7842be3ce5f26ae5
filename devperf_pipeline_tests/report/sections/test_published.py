from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from devperf_pipeline.analyse.judgements import Contradiction
from devperf_pipeline.report.contents import section
from devperf_pipeline.report.loaded import load
from devperf_pipeline.report.rows import Cell
from devperf_pipeline_tests.report.conftest import given, points, tables

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse


def cell(
    metric: str,
    published: str | None,
    measured: str | None,
    reason: str | None = None,
    unit: str | None = None,
) -> Cell:
    return Cell(
        published_id="2025-10-29", table_name="operations/redis", subject="redis", row_name="GET", metric=metric,
        unit=unit, published=published, measured=measured, applies=True, reason=reason, service="redis",
    )  # fmt: skip


def contradiction(source: str) -> Contradiction:
    return Contradiction(
        source=source, place="a | b", rule="sum", expected=1.0, found=2.0, sentence="adds up to <2>"
    )


class TestPublication:
    def test_a_row_has_its_figures_beside_the_published_ones(self) -> None:
        """Three digits that count, the unit, the published figure in brackets; a dash for a gap, and a marked one for too few calls."""
        cells = [
            cell("latency_avg", "0.5", "0.018342", unit="ms"),
            cell("latency_p95", "1", "0.02", "weak: from 9 calls", "ms"),
            cell("max", "3|<b>", None, "not measured"),
            cell("version", "7.10", "15.18"),
        ]
        text = section("published", given(cells=cells))

        [table] = tables(text)
        figures = (
            "latency avg 0.0183 ms (0.5) · latency p95 –‡ (1) · max – (3\\|&lt;b&gt;) · version 15.18 (7.10)"  # noqa: RUF001 - a dash
        )
        assert [["operations/redis", "Redis, one node: GET", figures]] == table
        assert "Measured: 3 of the 4 figures that apply here (75 %)" in text

    @pytest.mark.parametrize(
        ("subject", "row", "service", "said"),
        [
            ("redis", "SET (distributed)", "redis_cluster", "Redis, three-node cluster: SET (distributed)"),
            ("fastapi-api-first", "GET /", "fastapi_api_first", "FastAPI, API-first: GET /"),
            ("databases", "connection-per-request", "fastapi", "FastAPI, code-first: connection-per-request"),
            ("gin", "gin", "gin", "Gin"),
            ("Redis-1", "Redis-1", "redis_cluster", "Redis-1"),
            ("host", "memory", "host", "host: memory"),
        ],
    )
    def test_a_row_is_about_the_service_that_was_measured(
        self, subject: str, row: str, service: str, said: str
    ) -> None:
        """Where the publication calls another service by that name, the reader sees ours, as people call it."""
        one = replace(cell("p95", "1", "2"), subject=subject, row_name=row, service=service)
        [table] = tables(section("published", given(cells=[one])))

        assert [said] == [line[1] for line in table]

    def test_what_was_not_found_costs_nothing(self) -> None:
        """A finding that does not hold has no figure, and a published range is written as one."""
        text = section(
            "published", given(cells=[cell("impact", "[3, 5]", "not found: 0.104 to 0.129", unit="ms")])
        )

        assert "impact not found (3 to 5)" in text

    def test_nothing_measured_no_section(self) -> None:
        """What is published alone does not belong into a report of what was measured."""
        assert not section("published", given(cells=[]))
        assert not section("published", given(cells=[cell("p95", "1", None)]))

    def test_an_api_that_nobody_else_knows(self, warehouse: "Warehouse") -> None:
        """A stack that is nothing but such APIs has no place beside what is published, though the machine has one."""
        host = cell("model", "Mac", "PC")
        alone, beside = warehouse.baseline(22), warehouse.baseline(25)
        warehouse.service(alone, "api")
        warehouse.service(alone, "api_next")
        warehouse.service(beside, "api_next")
        warehouse.service(beside, "redis")
        folders = warehouse.folders
        with load(folders, alone) as first, load(folders, beside) as second:
            assert {"api", "api_next"} == {part.service for part in first.parts}
            for report in (first, second):
                vars(report)["cells"] = [host]
            assert not section("published", first)
            assert section("published", second)


class TestContradicted:
    def test_ours_come_first_and_those_of_other_baselines_not_at_all(self) -> None:
        """Contradictions of this baseline, then published ones, of those alike only the first; without any of ours it is said that there is none."""
        theirs = "Contradiction: published x, a \\| b: adds up to &lt;2&gt;"
        ours = "Contradiction: a \\| b: adds up to &lt;2&gt;"
        found = [contradiction("published x"), contradiction("b"), contradiction("older")]

        def said(*found: Contradiction) -> list[str]:
            """What the notes say of contradictions, or that there is none."""
            text = section("notes", given(contradictions=found))
            return [point for point in points(text) if point.startswith(("Contradiction", "Arithmetic"))]

        assert [ours, theirs] == said(*found)
        alike = [contradiction("published x")] * 4
        assert [f"{theirs}; the same in 3 more places (`devperf coverage`)"] == said(*alike)[1:]
        assert said(*found[:1])[0].endswith("nothing in this baseline contradicts itself.")
