from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from devperf_pipeline.model import Baseline, ResourceReading
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore
from devperf_pipeline_tests.store.test_readings import READING

MakeBaseline = Callable[..., Baseline]


def ask(
    folders: Folders, baseline: Baseline, readings: Sequence[ResourceReading], question: str
) -> list[tuple[Any, ...]]:
    """The rows of a question to the warehouse of one baseline with these readings."""
    store = SampleStore(folders)
    store.begin(baseline)
    store.keep_resources(readings)
    store.finish(baseline)
    warehouse.build(folders)
    with warehouse.connect(folders) as con:
        return con.execute(question).fetchall()


def second(number: int, **values: Any) -> ResourceReading:
    return replace(READING, at_ns=READING.at_ns + number * 10**9, **values)


class TestResources:
    def test_numbers_by_hand(self, folders: Folders, make_baseline: MakeBaseline) -> None:
        """Medians of what was occupied, a range of CPU, and counters by the second."""
        readings = [
            second(k, cpu_percent=float(k), rss_bytes=1000 + k, written_bytes=100 * k) for k in range(1, 22)
        ]
        found = ask(
            folders,
            make_baseline(),
            readings,
            "select readings, seconds, cpu_p5, cpu_p50, cpu_p95, cpu_mean, rss_bytes, rss_max_bytes, "
            "written_per_s, read_per_s, source from resources where service = 'redis'",
        )

        assert [(21, 21.0, 2.0, 11.0, 20.0, 11.0, 1011, 1021, 100.0, None, "processes")] == found

    def test_total_is_of_the_stack_alone(self, folders: Folders, make_baseline: MakeBaseline) -> None:
        """The total adds up moment by moment, without the machine and ourselves; it is unknown where a part is."""
        readings = [
            one
            for k in range(3)
            for one in (
                second(k, cpu_percent=10.0 * k, pss_bytes=1),
                second(k, service="vault", category="secrets management", cpu_percent=20.0 - 10.0 * k),
                second(k, service="host", category="host", cpu_percent=150.0),
                second(k, service="devperf", category="measuring", cpu_percent=3.0),
            )
        ]
        found = ask(
            folders,
            make_baseline(),
            readings,
            "select cpu_p50, cpu_p95, rss_bytes, pss_bytes, readings from resources where service = 'total'",
        )

        assert [(20.0, 20.0, 24_000_000, None, 3)] == found

    def test_phases_and_loads_are_kept_apart(self, folders: Folders, make_baseline: MakeBaseline) -> None:
        """One row a service, phase, load and number of users."""
        load = {"phase": "load", "users": 100, "benchmark": "redis/get-hit/sustained-100/engine"}
        readings = [second(0), second(1, **load), second(2, **load), second(3, phase="held", users=25)]
        found = ask(
            folders,
            make_baseline(),
            readings,
            "select service, phase, users, readings from resources order by all",
        )

        assert [
            ("redis", "held", 25, 1),
            ("redis", "idle", 0, 1),
            ("redis", "load", 100, 2),
            ("total", "idle", 0, 1),
            ("total", "load", 100, 2),
        ] == found


class TestMemory:
    def held(self, sizes: dict[int, int]) -> list[ResourceReading]:
        return [
            second(k, phase="held", users=users, rss_bytes=size, benchmark=f"redis/set/held-{users}")
            for k, (users, size) in enumerate(sizes.items())
        ]

    def ask(self, folders: Folders, baseline: Baseline, sizes: dict[int, int]) -> tuple[Any, ...]:
        (found,) = ask(
            folders,
            baseline,
            self.held(sizes),
            "select measure, points, users_max, bytes_per_request, tells, verdict from memory_per_request",
        )
        return found

    def test_a_service_that_grows(self, folders: Folders, make_baseline: MakeBaseline) -> None:
        """8 KiB more with each request are 8 KiB a request."""
        sizes = {users: 10**7 + 8192 * users for users in (0, 25, 50, 75, 100, 150, 200)}

        assert ("rss", 7, 200, 8192.0, True, "grows with each request") == self.ask(
            folders, make_baseline(), sizes
        )

    def test_a_slope_inside_its_error(self, folders: Folders, make_baseline: MakeBaseline) -> None:
        """Memory that goes up and down says nothing of requests."""
        sizes = {0: 500, 25: 300, 50: 900, 75: 100, 100: 800, 150: 200, 200: 600}
        found = self.ask(folders, make_baseline(), sizes)

        assert (False, "cannot tell: the slope is inside its error") == found[4:]

    def test_a_sweep_that_ended_early(self, folders: Folders, make_baseline: MakeBaseline) -> None:
        """Three steps are no line."""
        found = self.ask(folders, make_baseline(), {0: 100, 25: 200, 50: 300})

        assert (None, False, "cannot tell: read at 3 numbers of requests, 5 are needed") == found[3:]


class TestBroken:
    def test_a_broken_file_costs_its_own_rows(self, folders: Folders, make_baseline: MakeBaseline) -> None:
        """It is set aside and named; everything else of the baseline stays."""
        baseline = make_baseline()
        ask(folders, baseline, [READING], "select 1")
        file = folders.samples / f"baseline_id={baseline.id}" / "resources.parquet"
        file.write_bytes(file.read_bytes()[:60])
        report = warehouse.build(folders)
        with warehouse.connect(folders) as con:
            baselines, resources = con.table("baselines").shape[0], con.table("resources").shape[0]

        assert any("resources.parquet" in sentence for sentence in report.said)
        assert (1, 0) == (baselines, resources)
