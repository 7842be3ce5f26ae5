from typing import TYPE_CHECKING, Any

import pytest

from devperf_pipeline.analyse.judgements import Finding, findings, layers
from devperf_pipeline.store.warehouse import connect

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse

US = 1_000


def rounds(*times_us: int) -> list[int]:
    return [time * US for time in times_us]


def search(warehouse: "Warehouse", baseline_id: str) -> dict[str, Finding]:
    with connect(warehouse.folders) as con:
        return {found.finding: found for found in findings(con, baseline_id)}


def health(warehouse: "Warehouse", baseline_id: str, all_us: int, aggregation: str | None) -> None:
    """Parts of 300 to 320 and of 400 µs, and an aggregate, each 50 µs more, which GET / takes."""
    warehouse.measured(baseline_id, "gin", "get-root", rounds(50, 50, 50))
    warehouse.measured(baseline_id, "gin", "get-health-all", rounds(*[all_us + 50] * 3))
    warehouse.measured(baseline_id, "gin", "get-health-vault", rounds(350, 360, 370))
    warehouse.measured(baseline_id, "gin", "get-health-postgres", rounds(450, 450, 450))
    if aggregation:
        warehouse.fact(baseline_id, "gin", "aggregation", aggregation)


class TestSequentialHealth:
    def test_holds_where_the_aggregate_is_the_sum_of_its_parts(self, warehouse: "Warehouse") -> None:
        """Asking at once would save what is beyond the slowest part, with the range over rounds; GET / it cannot save."""
        run = warehouse.baseline(25)
        health(warehouse, run, 720, "sequential")
        found = search(warehouse, run)["sequential-health"]

        assert (True, "open", 300 * US, 310 * US, 320 * US) == (
            found.holds, found.status, found.impact_low_ns, found.impact_ns, found.impact_high_ns,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("asked", "against"),
        [("vault, postgres, rabbitmq", "2 of its 3 parts, one by one"), (None, "2 parts, one by one")],
    )
    def test_says_how_many_parts_were_measured(
        self, warehouse: "Warehouse", asked: str | None, against: str
    ) -> None:
        """What is asked and has no route of its own is not in the cost, so the finding says of how many parts that is."""
        run = warehouse.baseline(25)
        health(warehouse, run, 720, "sequential")
        if asked:
            warehouse.fact(run, "gin", "/health/all asks", asked)

        assert against == search(warehouse, run)["sequential-health"].against

    def test_a_part_that_is_all_way_there_saves_nothing(self, warehouse: "Warehouse") -> None:
        """Health routes that take no longer than GET / hide no cost behind each other."""
        run = warehouse.baseline(25)
        for operation in ("get-root", "get-health-vault", "get-health-postgres", "get-health-all"):
            warehouse.measured(run, "gin", operation, rounds(50, 50, 50))

        assert {} == search(warehouse, run)

    def test_does_not_hold_where_it_is_the_slowest_part(self, warehouse: "Warehouse") -> None:
        """An aggregate as quick as its slowest part is asked at once."""
        run = warehouse.baseline(25)
        health(warehouse, run, 410, None)

        assert search(warehouse, run)["sequential-health"].status == "not found"

    def test_an_api_that_asks_at_once_is_believed(self, warehouse: "Warehouse") -> None:
        """An aggregate of more parts than are measured may be long without being sequential."""
        run = warehouse.baseline(25)
        health(warehouse, run, 2_000, "concurrent")

        assert not search(warehouse, run)["sequential-health"].holds

    @pytest.mark.parametrize(
        ("asked", "all_us", "status"),
        [
            ("vault, postgres", 720, "open"),
            ("vault, postgres, rabbitmq", 720, "cannot tell"),
            ("vault, postgres, rabbitmq", 410, "not found"),
            (None, 720, "open"),
            (None, 2_000, "cannot tell"),
        ],
    )
    def test_of_an_api_that_says_nothing_parts_that_were_not_measured_count(
        self, warehouse: "Warehouse", asked: str | None, all_us: int, status: str
    ) -> None:
        """Where more is asked than was measured, a long aggregate may be that of one slow part."""
        run = warehouse.baseline(25)
        health(warehouse, run, all_us, None)
        if asked:
            warehouse.fact(run, "gin", "/health/all asks", asked)

        assert status == search(warehouse, run)["sequential-health"].status

    def test_is_followed_over_baselines(self, warehouse: "Warehouse") -> None:
        """What was found and is found no more is optimised, and names the baseline it was found in."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        health(warehouse, before, 720, "sequential")
        health(warehouse, now, 410, "concurrent")
        found = search(warehouse, now)["sequential-health"]

        assert ("optimised", before) == (found.status, found.against_baseline_id)


class TestSeveralOfAKind:
    def found(self, warehouse: "Warehouse", *services: str) -> dict[str, str | None]:
        """Each service that was found to cost more than another, and which other: so many µs by their order."""
        run = warehouse.baseline(25)
        for place, service in enumerate(services, 1):
            operation = (
                "get-examples-database-postgres-query" if service.startswith("api") else "select-by-key"
            )
            warehouse.measured(run, service, operation, rounds(*[100 * place] * 3))
            warehouse.measured(run, service, "floor", rounds(10, 10, 10))
        with connect(warehouse.folders) as con:
            return dict(
                con.execute(
                    "select service, against_service from differences where service <> against_service"
                ).fetchall()
            )

    def test_one_of_the_same_name_is_the_other(self, warehouse: "Warehouse") -> None:
        """A PgBouncer and an API are set against the PostgreSQL of their own name, else the one called by its kind alone."""
        assert {
            "pgbouncer_b": "postgresql_b",
            "pgbouncer": "postgresql",
            "api_b": "postgresql_b",
            "api_c": "postgresql",
        } == self.found(
            warehouse,
            "postgresql",
            "postgresql_a",
            "postgresql_b",
            "pgbouncer_b",
            "pgbouncer",
            "api_b",
            "api_c",
        )

    def test_the_only_one_is_the_other(self, warehouse: "Warehouse") -> None:
        """Whatever it is called, a service that is alone of its kind is the one that others work with."""
        assert {"pgbouncer": "postgresql_b"} == self.found(warehouse, "postgresql_b", "pgbouncer")

    def test_nobody_knows_which(self, warehouse: "Warehouse") -> None:
        """Of several that could be meant none is taken: what it costs would be plausible and false."""
        assert {} == self.found(warehouse, "postgresql_a", "postgresql_b", "pgbouncer")


class TestConnectionPerRequest:
    def test_holds_where_a_route_takes_a_millisecond_more(self, warehouse: "Warehouse") -> None:
        """What neither the framework nor the query takes is the connection."""
        run = warehouse.baseline(25)
        warehouse.measured(run, "gin", "get-root", rounds(100, 100, 100))
        warehouse.measured(run, "postgresql", "select-by-key", rounds(20, 20, 20))
        warehouse.measured(run, "gin", "get-examples-database-postgres-query", rounds(1_500, 1_600, 1_700))
        found = search(warehouse, run)["connection-per-request"]

        assert (True, 1_380 * US, 1_480 * US, 1_580 * US) == (
            found.holds, found.impact_low_ns, found.impact_ns, found.impact_high_ns,
        )  # fmt: skip

    def test_does_not_hold_with_a_pool(self, warehouse: "Warehouse") -> None:
        """A tenth of a millisecond is no connection."""
        run = warehouse.baseline(25)
        warehouse.measured(run, "gin", "get-root", rounds(100, 100, 100))
        warehouse.measured(run, "postgresql", "select-by-key", rounds(20, 20, 20))
        warehouse.measured(run, "gin", "get-examples-database-postgres-query", rounds(220, 220, 230))

        assert search(warehouse, run)["connection-per-request"].status == "not found"


def sweep(
    warehouse: "Warehouse", at_most_per_s: float, cpu_percent: float, **values: Any
) -> dict[str, Finding]:
    """What is found where 1, 10, 50 users get 100, 245, 240 calls a second done, and 100 users what is asked for."""
    run = warehouse.baseline(25)
    for users, throughput_per_s in ((1, 100.0), (10, 245.0), (50, 240.0), (100, at_most_per_s)):
        warehouse.loaded(run, "fastapi", users, throughput_per_s, cpu_percent, **values)
    return search(warehouse, run)


class TestSaturatedCore:
    def sweep(self, warehouse: "Warehouse", at_most_per_s: float, cpu_percent: float) -> Finding:
        return sweep(warehouse, at_most_per_s, cpu_percent)["saturated-core"]

    def test_holds_where_more_users_get_no_more_of_one_core(self, warehouse: "Warehouse") -> None:
        """Four times the users, the same throughput, one core full."""
        found = self.sweep(warehouse, 250.0, 99.0)

        assert ("open", 100, "10 users") == (found.status, found.users, found.against)
        assert round(found.ratio, 2) == 1.02

    def test_does_not_hold_while_throughput_grows(self, warehouse: "Warehouse") -> None:
        """A service that still does more with more users has not reached its end."""
        assert self.sweep(warehouse, 400.0, 99.0).status == "not found"

    def test_does_not_hold_where_something_else_is_full(self, warehouse: "Warehouse") -> None:
        """Flat throughput with an idle core is another bottleneck."""
        assert self.sweep(warehouse, 250.0, 40.0).status == "not found"

    @pytest.mark.parametrize(
        ("placement", "cores"),
        [("apart:1|0", 1), ("apart:3|0,1,2", 3), ("together:0,1", 2), ("free", None)],
    )
    def test_says_how_many_cores_the_servers_had(
        self, warehouse: "Warehouse", placement: str, cores: int | None
    ) -> None:
        """A core may be all that a service uses because the placement gave it no other."""
        assert cores == sweep(warehouse, 250.0, 99.0, placement=placement)["saturated-core"].server_cores


class TestOverload:
    @pytest.mark.parametrize(("at_most_per_s", "status"), [(190.0, "open"), (200.0, "not found")])
    def test_holds_where_most_users_get_less_done_than_fewer(
        self, warehouse: "Warehouse", at_most_per_s: float, status: str
    ) -> None:
        """Below 0.8 times the best of fewer users it is found, above it is not; it is named which were the best."""
        found = sweep(warehouse, at_most_per_s, 70.0)["overload"]

        assert (status, 100, "10 users") == (found.status, found.users, found.against)
        assert round(found.ratio, 3) == round(at_most_per_s / 245, 3)

    def test_a_full_core_is_reported_once(self, warehouse: "Warehouse") -> None:
        """Where one full core says why, that is the finding, and the other is not searched for."""
        found = sweep(warehouse, 100.0, 99.0)

        assert ["open"] == [one.status for one in found.values()]
        assert found["saturated-core"].against == "10 users"

    def test_invalid_loads_tell_nothing(self, warehouse: "Warehouse") -> None:
        """Where the load of most users does not count, the one below it is the largest."""
        run = warehouse.baseline(25)
        for users, throughput_per_s in ((1, 100.0), (10, 245.0), (50, 240.0)):
            warehouse.loaded(run, "fastapi", users, throughput_per_s, 70.0)
        warehouse.loaded(run, "fastapi", 100, 10.0, 70.0, valid=False)
        found = search(warehouse, run)["overload"]

        assert ("not found", 50) == (found.status, found.users)

    def test_other_cores_are_another_matter(self, warehouse: "Warehouse") -> None:
        """Loads of two placements are not set against each other."""
        run = warehouse.baseline(25)
        warehouse.loaded(run, "fastapi", 10, 245.0, 70.0, placement="apart:2|0,1")
        warehouse.loaded(run, "fastapi", 100, 100.0, 70.0, placement="apart:1,2|0")

        assert "overload" not in search(warehouse, run)


class TestCpuLimit:
    @pytest.mark.parametrize(("throttled", "status"), [(5, "open"), (4, "not found")])
    def test_holds_where_it_stops_the_service(
        self, warehouse: "Warehouse", throttled: int, status: str
    ) -> None:
        """From 5 % of the periods on; of a service the load that was stopped most is named, whatever its p99 says."""
        run = warehouse.baseline(25)
        warehouse.fact(run, "redis", "container cpu limit", "0.25 cores")
        for users, stopped in ((1, 0), (10, throttled)):
            warehouse.reading(run, "redis", "get", users=users, periods=50, throttled_periods=stopped)
        found = search(warehouse, run)["cpu-limit"]

        assert (status, 10) == (found.status, found.users)
        assert (
            f"the slowest calls are the CPU limit: 0.25 cores, throttled in {2 * throttled} % of the periods"
            == found.against
        )

    def test_few_periods_tell_nothing(self, warehouse: "Warehouse") -> None:
        """Of less than a second of work nobody can tell what share of it was stopped."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get", periods=9, throttled_periods=9)

        assert "cpu-limit" not in search(warehouse, run)

    def test_p99_that_is_the_limit(self, warehouse: "Warehouse") -> None:
        """A p99 far from the median is what the limit made of it."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "set", periods=100, throttled_periods=31, p99_ns=81_000_000)

        assert (
            "p99 is the CPU limit: throttled in 31 % of the periods"
            == search(warehouse, run)["cpu-limit"].against
        )

    def test_a_larger_limit_optimises(self, warehouse: "Warehouse") -> None:
        """Where it stopped the service before, and stops it no more at any load, it is gone."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        warehouse.reading(before, "redis", "set", periods=100, throttled_periods=31)
        warehouse.reading(now, "redis", "get", periods=100, throttled_periods=0)

        assert "optimised" == search(warehouse, now)["cpu-limit"].status

    def test_without_a_limit_it_is_not_searched_for(self, warehouse: "Warehouse") -> None:
        """What nobody limits is not stopped."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "set")

        assert "cpu-limit" not in search(warehouse, run)


class TestVault:
    def test_says_what_vault_itself_takes(self, warehouse: "Warehouse") -> None:
        """What the route costs is not what Vault takes: the engine's reading of the same baseline stands beside it."""
        run = warehouse.baseline(25)
        warehouse.measured(run, "gin", "get-root", rounds(100, 100, 100))
        warehouse.measured(run, "gin", "get-examples-vault-secret-postgres", rounds(300, 300, 300))
        warehouse.measured(run, "vault", "kv-read", rounds(80, 85, 90))
        found = search(warehouse, run)["vault"]

        assert (200 * US, 85 * US) == (found.impact_ns, found.behind_ns)


class TestPairs:
    def test_every_round_must_agree(self, warehouse: "Warehouse") -> None:
        """One round in which the dearer was the cheaper is doubt enough."""
        run = warehouse.baseline(25)
        warehouse.measured(run, "rabbitmq", "publish-1kb-persistent", rounds(400, 400, 30))
        warehouse.measured(run, "rabbitmq", "publish-1kb", rounds(40, 40, 40))
        warehouse.measured(run, "mysql", "full-scan", rounds(3_000, 3_000, 3_000))
        warehouse.measured(run, "mysql", "select-by-key", rounds(30, 30, 30))
        found = search(warehouse, run)

        assert {"persistence": "cannot tell", "scan": "open"} == {
            name: one.status for name, one in found.items()
        }

    def test_doubt_is_no_cure(self, warehouse: "Warehouse") -> None:
        """After a baseline that could not tell, the status still speaks of the one before that could."""
        days = [(23, (400, 400, 400)), (24, (400, 400, 30)), (25, (41, 40, 41))]
        runs: list[str] = []
        for day, times_us in days:
            runs.append(warehouse.baseline(day))
            warehouse.measured(runs[-1], "rabbitmq", "publish-1kb-persistent", rounds(*times_us))
            warehouse.measured(runs[-1], "rabbitmq", "publish-1kb", rounds(40, 40, 40))
        with connect(warehouse.folders) as con:
            found = [findings(con, run)[0] for run in runs]

        assert [("open", None), ("cannot tell", runs[0]), ("optimised", runs[0])] == [
            (one.status, one.against_baseline_id) for one in found
        ]

    @pytest.mark.parametrize(("now_us", "status"), [(30, "improved"), (50, "open")])
    def test_costs_that_shrink_are_improved(self, warehouse: "Warehouse", now_us: int, status: str) -> None:
        """Still there, but cheaper by far; a little less is what two runs of an unchanged stack differ by."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        for run, through_us in ((before, 60), (now, now_us)):
            warehouse.measured(run, "pgbouncer", "select-by-key", rounds(*[through_us] * 3))
            warehouse.measured(run, "postgresql", "select-by-key", rounds(20, 20, 20))

        assert status == search(warehouse, now)["pooler"].status

    def test_is_not_followed_to_another_machine(self, warehouse: "Warehouse") -> None:
        """A cost that is less on a faster machine is neither improved nor optimised: it is a finding of its own."""
        slow, fast = warehouse.baseline(24), warehouse.baseline(25)
        for run, cores, through_us in ((slow, "2", 60), (fast, "64", 30)):
            warehouse.fact(run, "host", "cpu_cores", cores)
            warehouse.measured(run, "pgbouncer", "select-by-key", rounds(*[through_us] * 3))
            warehouse.measured(run, "postgresql", "select-by-key", rounds(20, 20, 20))
        found = search(warehouse, fast)["pooler"]

        assert ("open", None) == (found.status, found.against_baseline_id)

    def test_absent_where_rows_are(self, warehouse: "Warehouse") -> None:
        """Without the rows that it needs, or with invalid ones, nothing is said of a finding."""
        run = warehouse.baseline(25)
        warehouse.measured(run, "pgbouncer", "select-by-key", rounds(60, 60, 60))
        warehouse.measured(run, "postgresql", "select-by-key", rounds(20, 20, 20), valid=False)

        assert {} == search(warehouse, run)


class TestLayers:
    def test_each_layer_is_set_against_the_one_below(self, warehouse: "Warehouse") -> None:
        """The service above the way there, the driver above the service, an API above the service."""
        run = warehouse.baseline(25)
        warehouse.measured(run, "redis", "floor", rounds(15, 15, 15))
        warehouse.measured(run, "redis", "get-hit", rounds(18, 18, 18))
        warehouse.measured(run, "redis", "get-hit", rounds(35, 35, 35), instrument="driver")
        warehouse.measured(run, "gin", "get-examples-cache-key", rounds(98, 98, 98))
        with connect(warehouse.folders) as con:
            found = [(layer.task, layer.layer, layer.difference_ns) for layer in layers(con, run)]

        expected = [("service", 3 * US), ("driver", 17 * US), ("api", 80 * US)]
        assert [("cached value", *one) for one in expected] == found
