from typing import TYPE_CHECKING

import pytest

from devperf_pipeline.errors import StoreError
from devperf_pipeline.report.loaded import load
from devperf_pipeline.report.rows import Row, shown

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse


class TestLoad:
    def test_the_newest_baseline_of_a_stack(self, warehouse: "Warehouse") -> None:
        """A stack has its own newest baseline; without a name of a stack it is the newest of all that were measured here."""
        older, newer = warehouse.baseline(22), warehouse.baseline(25, stack="elsewhere")
        warehouse.baseline(26, stack="imported")
        folders = warehouse.folders
        with load(folders, stack="local") as of_stack, load(folders) as of_all, load(folders, older) as named:
            assert [(older, True), (newer, True), (older, True)] == [
                (report.run.baseline_id, report.run.newest) for report in (of_stack, of_all, named)
            ]

    def test_a_stack_that_was_never_measured(self, warehouse: "Warehouse") -> None:
        """Without a baseline of that stack there is a sentence that names it."""
        warehouse.baseline(25)
        with pytest.raises(StoreError, match="of the stack 'elsewhere'"):
            load(warehouse.folders, stack="elsewhere")

    def test_each_part_is_read_once(self, warehouse: "Warehouse") -> None:
        """What was read stays, also when the warehouse is closed."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get")
        with load(warehouse.folders) as report:
            parts = report.parts

        assert parts is report.parts
        assert parts[0] is report.part("redis")


class TestParts:
    def test_services_stand_in_the_order_of_the_catalogue(self, warehouse: "Warehouse") -> None:
        """Databases first and APIs last, as everywhere; what the catalogue does not know follows."""
        run = warehouse.baseline(25)
        for service in ("zebra", "fastapi", "redis", "postgresql"):
            warehouse.service(run, service)
        with load(warehouse.folders) as report:
            found = [part.service for part in report.parts]

        expected = ["postgresql", "redis", "fastapi", "zebra"]
        assert expected == found

    def test_what_ran_is_remembered_from_the_last_look(self, warehouse: "Warehouse") -> None:
        """A service that this baseline was not about keeps product, version and settings of its rows."""
        first, second = warehouse.baseline(22), warehouse.baseline(25)
        warehouse.service(first, "redis", product="Valkey", version="8.0")
        warehouse.fact(first, "redis", "maxmemory", "256mb")
        warehouse.service(second, "rabbitmq")
        with load(warehouse.folders, second) as report:
            part = report.parts[0]

        assert (part.service, part.state, part.product, part.version) == ("redis", None, "Valkey", "8.0")
        assert part.settings == {"maxmemory": "256mb"}


class TestShown:
    def test_a_driver_stands_in_where_the_engine_could_not_ask(self, warehouse: "Warehouse") -> None:
        """A driver's reading is beside the engine's, or alone where the engine has no valid one."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "a")
        warehouse.reading(run, "redis", "a", instrument="driver")
        warehouse.reading(run, "redis", "a", users=10)
        warehouse.reading(run, "redis", "b", valid=False)
        warehouse.reading(run, "redis", "b", instrument="driver")
        warehouse.reading(run, "redis", "c", instrument="driver")
        warehouse.reading(run, "redis", "floor")
        with load(warehouse.folders) as report:
            lines = shown(report.parts[0].rows)

        def name(row: Row | None) -> str | None:
            return row.benchmark.removeprefix("redis/") if row else None

        expected = [
            ("a/closed-1/engine", "a/closed-1/driver"),
            ("a/closed-10/engine", None),
            ("b/closed-1/engine", None),
            ("b/closed-1/driver", None),
            ("c/closed-1/driver", None),
        ]
        assert expected == [(name(row), name(driver)) for row, driver in lines]


class TestCurves:
    def test_points_are_exact_up_to_the_slowest_call(self, warehouse: "Warehouse") -> None:
        """Every point is a call that was made, no share finer than one call, the last one is the slowest."""
        run = warehouse.baseline(25)
        benchmark = warehouse.reading(run, "redis", "get", n=200)
        with load(warehouse.folders) as report:
            curve = dict(report.curves(report.parts[0])[run, benchmark])

        # The reading's calls take 20 µs, 40 µs, … 4 ms.
        assert [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 1.0] == list(curve)
        assert (2_000_000, 3_800_000, 3_960_000, 4_000_000) == tuple(
            curve[share] for share in (0.5, 0.95, 0.99, 1.0)
        )
