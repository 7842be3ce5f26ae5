from typing import TYPE_CHECKING

from devperf_pipeline.analyse.judgements import changes
from devperf_pipeline.store.warehouse import connect

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse

LEVEL = (99_000, 99_500, 100_000, 100_500, 101_000)
TWICE = tuple(2 * level for level in LEVEL)


class TestReference:
    def test_is_the_newest_complete_one_of_the_stack(self, warehouse: "Warehouse") -> None:
        """Interrupted baselines, other stacks and those that measured nothing of the same are no reference."""
        expected = warehouse.baseline(20)
        warehouse.measured(expected, "redis", "get", LEVEL)
        cut = warehouse.baseline(21, state="interrupted")
        warehouse.measured(cut, "redis", "get", LEVEL)
        other = warehouse.baseline(22, stack="elsewhere")
        warehouse.measured(other, "redis", "get", LEVEL)
        apart = warehouse.baseline(23)
        warehouse.measured(apart, "vault", "health", LEVEL)
        now = warehouse.baseline(25)
        warehouse.measured(now, "redis", "get", LEVEL)
        with connect(warehouse.folders) as con:
            found = changes(con, now)
            first = changes(con, expected)

        assert found
        assert expected == found.reference_id
        assert first is None

    def test_one_service_measured_in_between_is_none(self, warehouse: "Warehouse") -> None:
        """A baseline of everything is compared with one of everything, not with that of one service which came since."""
        services = ("redis", "vault", "mysql", "gin")
        whole, alone, now = (warehouse.baseline(day) for day in (23, 24, 25))
        for baseline in (whole, now):
            for service in services:
                warehouse.measured(baseline, service, "get", LEVEL)
        warehouse.measured(alone, "redis", "get", LEVEL)
        with connect(warehouse.folders) as con:
            found = changes(con, now)
            after_the_whole = changes(con, alone)

        assert found
        assert after_the_whole
        assert [whole, whole] == [found.reference_id, after_the_whole.reference_id]


class TestChanges:
    def test_each_shared_benchmark_has_a_verdict_on_each_metric(self, warehouse: "Warehouse") -> None:
        """What only one of them measured is not there; what moved is told from what did not."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        warehouse.measured(before, "redis", "get", LEVEL)
        warehouse.measured(now, "redis", "get", TWICE)
        warehouse.measured(now, "redis", "set", LEVEL)
        with connect(warehouse.folders) as con:
            found = changes(con, now)

        assert found
        words = [(row.operation, row.metric, row.verdict) for row in found.rows]
        assert [("get", "p50", "slower"), ("get", "p95", "slower")] == words
        assert found.drift is None

    def test_what_moves_with_all_others_is_not_blamed(self, warehouse: "Warehouse") -> None:
        """Where the median benchmark takes twice as long the machine does; what got faster all the same, did."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        for number in range(11):
            warehouse.measured(before, "redis", f"operation-{number:02}", LEVEL)
            warehouse.measured(now, "redis", f"operation-{number:02}", TWICE)
        warehouse.measured(before, "vault", "health", TWICE)
        warehouse.measured(now, "vault", "health", LEVEL)
        with connect(warehouse.folders) as con:
            found = changes(con, now)

        assert found
        assert found.drift == 2
        words = {row.service: row.verdict for row in found.rows}
        assert {"redis": "cannot tell", "vault": "faster"} == words

    def test_repeats_are_counted_without_the_new_one(self, warehouse: "Warehouse") -> None:
        """The floor comes from earlier baselines, so that a change does not hide itself in it."""
        for day in range(10, 20):
            run = warehouse.baseline(day)
            warehouse.measured(run, "redis", "get", LEVEL)
        now = warehouse.baseline(25)
        warehouse.measured(now, "redis", "get", TWICE)
        with connect(warehouse.folders) as con:
            found = changes(con, now)

        assert found
        assert not found.rows[0].provisional
        assert found.rows[0].verdict == "slower"

    def test_busy_rounds_are_left_out(self, warehouse: "Warehouse") -> None:
        """Rounds in which others used the cores give no verdict."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        warehouse.measured(before, "redis", "get", LEVEL)
        warehouse.measured(now, "redis", "get", TWICE, other_cpu=0.9)
        with connect(warehouse.folders) as con:
            found = changes(con, now)

        assert found
        assert {"cannot tell"} == {row.verdict for row in found.rows}
        assert found.drift is None

    def test_another_machine_is_not_comparable(self, warehouse: "Warehouse") -> None:
        """Another processor is named, with what it was and what it is."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        for run, cores in ((before, "2"), (now, "4")):
            warehouse.fact(run, "host", "cpu_cores", cores)
            warehouse.measured(run, "redis", "get", LEVEL)
        with connect(warehouse.folders) as con:
            found = changes(con, now)

        assert found
        assert "another machine: cpu_cores 2 before, 4 now" == found.rows[0].reason
        assert [("host", "cpu_cores", "2", "4")] == found.infrastructure
