import csv
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from devperf_pipeline.analyse.judgements import rankings
from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import IMPORTED, Baseline, Benchmark, Facts, Load, Round, RouteAnswer
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.question import ask as answered
from devperf_pipeline.store.questions import publications

Measure = Callable[..., Baseline]
MakeRound = Callable[..., Round]

PUBLICATION = publications() / "2025-10-29"
HOST = {"cpu_model": "two cores", "memory_bytes": str(2 << 30), "model": "unknown", "vm_manager": "none"}


def ask(folders: Folders, question: str, **parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a question to the warehouse."""
    with warehouse.connect(folders) as con:
        return con.execute(question, parameters).fetchall()


def lines(name: str) -> list[dict[str, str]]:
    with (PUBLICATION / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(name="run")
def _run(measure: Measure, make_round: MakeRound) -> Callable[..., Baseline]:
    """Measure one run of a few benchmarks: rounds of one latency each, a percent apart, times `factor`."""

    def keep(
        day: int,
        factor: float = 1.0,
        users: int = 10,
        *,
        host: dict[str, str] = HOST,
        stack: str = "local",
        **values: Any,
    ) -> Baseline:
        names = [
            ("redis", "get-hit", users, 100_000),
            ("gin", "get-health-all", 1, 500_000),
            ("express", "get-health-all", 1, 800_000),
            ("redis_cluster", "cross-slot", 1, 90_000),
            ("redis_cluster", "get-distributed", 1, 40_000),
        ]

        def one(service: str, operation: str, users_: int, base: int, number: int) -> Round:
            latency = [round(base * factor * (1 + 0.01 * number) + k) for k in range(400)]
            return make_round(
                number,
                latency,
                benchmark=Benchmark(service, operation, Load(users_), "engine"),
                elapsed_ns=sum(latency) // users_ + 400_000,
                **values,
            )

        rounds = [one(*name, number) for name in names for number in range(1, 6)]
        return measure(
            rounds,
            day,
            host=host,
            stack=stack,
            facts={"redis": Facts(product="Redis 7.0.15", version="7.0.15", settings={})},
            operations={
                "redis/get-hit": "GET (hit)",
                "gin/get-health-all": "GET /health/all",
                "express/get-health-all": "GET /health/all",
            },
        )

    return keep


class TestPublishedCells:
    def test_are_those_of_the_file(self, folders: Folders) -> None:
        """Every line of cells.csv is one row, in its order, with its text untouched."""
        warehouse.build(folders)
        expected = [
            (
                "2025-10-29",
                *(line[name] or None for name in ("table", "subject", "row", "metric", "published")),
            )
            for line in lines("cells.csv")
        ]

        assert expected == ask(
            folders,
            "select published_id, table_name, subject, row_name, metric, published from published_cells order by position",
        )

    def test_each_has_one_like(self) -> None:
        """Every cell has exactly one line of rows.csv, its kind knows its metric, and no line is without a cell."""
        rows = lines("rows.csv")
        known = {(line["kind"], line["metric"]) for line in lines("metrics.csv")}
        likes = [
            [
                row
                for row in rows
                if all(row[name] == cell[name] for name in ("table", "subject", "row"))
                and row["metric"] in ("", cell["metric"])
            ]
            for cell in lines("cells.csv")
        ]

        assert {1} == {len(like) for like in likes}
        assert [] == [
            (like, cell)
            for [like], cell in zip(likes, lines("cells.csv"), strict=True)
            if (like["kind"], cell["metric"]) not in known
        ]
        assert [] == [row for row in rows if [row] not in likes]

    def test_likes_are_services_of_ours(self) -> None:
        """Whoever is named by a benchmark is in the catalogue, under that name."""
        named = {
            row["name"].split("/")[0]
            for row in lines("rows.csv")
            if row["kind"] in ("benchmark", "load_test", "tool", "added", "memory")
        }

        assert set() == named - {*CATALOGUE, "mongodb"}


class TestCoverage:
    def test_without_a_baseline(self, folders: Folders) -> None:
        """With nothing measured every cell is there, empty, with its reason."""
        warehouse.build(folders)

        assert [(459, 0, 459)] == ask(
            folders, "select count(*), count(measured), count(reason) from coverage"
        )

    def test_imported_results_are_not_the_newest_baseline(
        self, folders: Folders, run: Callable[..., Baseline]
    ) -> None:
        """What was imported after a baseline takes nothing from what that one fills."""
        run(24)
        warehouse.build(folders)
        before = ask(folders, "select table_name, subject, row_name, metric, measured, reason from coverage")
        run(25, stack=IMPORTED)
        warehouse.build(folders)

        assert before == ask(
            folders, "select table_name, subject, row_name, metric, measured, reason from coverage"
        )

    def test_measured_values_can_be_asked_for_by_hand(
        self, folders: Folders, run: Callable[..., Baseline]
    ) -> None:
        """What a cell says is what its own question to samples and facts gives."""
        run(25)
        warehouse.build(folders)
        cells = ask(folders, "select metric, query, value, measured from coverage where measured is not null")

        assert len(cells) > 15
        for metric, query, value, measured in cells:
            [[answer]] = ask(folders, query)
            if value is None:
                assert (metric, measured) == (metric, answer)
            else:
                assert value == pytest.approx(float(answer)), (metric, query)
                if " to " not in measured:  # a finding's is a range
                    assert float(measured) == pytest.approx(value, rel=1e-5)

    def test_is_in_published_units(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """Milliseconds, per cent and GiB, of the same operation with the same number of users."""
        run(25)
        warehouse.build(folders)
        found = {
            tuple(names): value
            for *names, value in ask(
                folders,
                "select subject, row_name, metric, value from coverage where value is not null and metric <> 'throughput'",
            )
        }

        assert found["redis", "GET (hit)", "latency p95"] == pytest.approx(0.105299)
        assert found["redis", "Cross-slot operation", "added latency avg"] == pytest.approx(0.0515)
        assert found["gin", "GET /health/all", "slower than fastest"] == 0
        assert found["express", "GET /health/all", "slower than fastest"] == pytest.approx(60, rel=0.01)
        assert found["host", "host", "memory_gb"] == 2

    def test_gaps_have_reasons(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """A gap says whether the machine can have such a cell, whether the service was asked for, or what was wrong."""
        run(25, outcome=[4] * 400)
        warehouse.build(folders)
        said = {
            (subject, metric): (applies, reason)
            for subject, metric, applies, reason in ask(
                folders, "select subject, metric, applies, reason from coverage where measured is null"
            )
        }

        assert said["host", "model"] == (
            False,
            "this machine does not tell its model; on hardware with DMI or on a Mac it does",
        )
        assert said["host", "storage"] == (
            True,
            "the baseline has no such fact; the next one may: devperf baseline",
        )
        assert said["vault", "throughput"] == (
            True,
            "vault was not asked for in this baseline; measure the whole stack: devperf baseline",
        )
        assert said["Grafana", "rss"][0] is False
        assert said["gin", "p95"] == (
            True,
            "measured and not counted: 2,000 of 2,000 calls failed: 2,000 with the connection lost",
        )
        assert None not in {reason for _, reason in said.values()}

    @pytest.mark.parametrize(
        ("services", "chosen"),
        [(("gin_b", "gin", "gin_a"), "gin"), (("gin_b", "gin_a", "express"), "gin_a")],
    )
    def test_of_several_of_a_kind_one_stands_there(
        self,
        folders: Folders,
        measure: Measure,
        make_round: MakeRound,
        services: tuple[str, ...],
        chosen: str,
    ) -> None:
        """Beside a published service stands ours that is called by its kind alone, or else the first by name."""
        rounds = [
            make_round(
                1,
                [place * 100_000 + call for call in range(400)],
                benchmark=Benchmark(name, "get-health-all", Load(1), "engine"),
                elapsed_ns=400 * place * 100_000 + 400_000,
            )
            for place, name in enumerate(services, 1)
        ]
        measure(rounds, facts={name: Facts(product="Gin", version="1") for name in services})
        warehouse.build(folders)
        [[name, p95_ms]] = ask(
            folders,
            "select name, value from coverage_of((select max(baseline_id) from baselines))"
            " where table_name = 'api-latency/gin' and row_name = 'GET /health/all' and metric = 'p95'",
        )

        assert f"{chosen}/get-health-all/closed-1/engine" == name
        assert (services.index(chosen) + 1) / 10 == pytest.approx(p95_ms, rel=0.01)

    def test_is_of_the_newest_baseline(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """`coverage` is of the newest baseline; `coverage_of` of the one that is named."""
        older, newer = run(24), run(25, 2.0)
        warehouse.build(folders)
        question = "select value from {} where row_name = 'GET (hit)' and metric = 'latency p95'"
        [[now]] = ask(folders, question.format("coverage"))
        [[before]] = ask(folders, question.format(f"coverage_of('{older.id}')"))

        assert [[now]] == [list(ask(folders, question.format(f"coverage_of('{newer.id}')"))[0])]
        assert 2 == pytest.approx(now / before, rel=0.01)

    @pytest.mark.parametrize("share", [66, 75, 80, 90, 95, 98, 99])
    def test_a_percentile_of_too_few_calls_is_a_doubt(
        self, folders: Folders, run: Callable[..., Baseline], share: int
    ) -> None:
        """A load test's percentile is doubted up to the number of calls of which no 95 % interval of it exists."""
        measured = run(25)
        warehouse.build(folders)
        needs = next(n for n in range(1, 1_000) if (share / 100) ** n <= 0.025)
        with duckdb.connect(str(folders.warehouse)) as con:
            for users, n in ((1, needs - 1), (2, needs)):
                con.execute(
                    "insert into load_tests by name select $id as baseline_id, 'gin' as service, 'x' as operation, "
                    "'gin/x/' || $users as benchmark, $users as users, 0 as limit_calls, 0 as limit_s, 0 as elapsed_ns, "
                    f"$n as n, 0 as failed, 0 as non_success, true as valid, 1 as p{share}_ns, 0 as client_share, "
                    "1 as engine_processes, false as at_limit",
                    {"id": measured.id, "users": users, "n": n},
                )
        asked = "select name, reason from measurements where kind = 'load_test' and measure = $measure order by name"

        assert [
            ("gin/x/1", f"weak: from {needs - 1} calls, where p{share} needs {needs}; measure longer"),
            ("gin/x/2", None),
        ] == ask(folders, asked, measure=f"p{share}_ns")

    def test_a_load_test_that_a_cache_answered_fills_its_cell_with_a_doubt(
        self, folders: Folders, run: Callable[..., Baseline]
    ) -> None:
        """The published load test asked of the cache as well; a figure says so, and such an API has no rank."""
        measured = run(25)
        warehouse.build(folders)
        with duckdb.connect(str(folders.warehouse)) as con:
            con.execute(
                "insert into load_tests by name select $id as baseline_id, 'fastapi' as service, "
                "'get-health-all-cached' as operation, 'fastapi/get-health-all-cached/sustained-100/engine' as benchmark, "
                "100 as users, 0 as limit_calls, 0 as limit_s, 0 as elapsed_ns, 9000 as n, 0 as failed, "
                "0 as non_success, true as valid, 5000000 as p95_ns, 0 as client_share, 1 as engine_processes, "
                "false as at_limit",
                {"id": measured.id},
            )
        asked = (
            "select measured, reason from coverage where subject = 'fastapi' and metric = $metric "
            "and table_name like 'load-test%'"
        )

        assert [("5", "a cache answered")] == ask(folders, asked, metric="p95_ms")
        assert [(None, "a cache answered: not ranked among those that answered themselves")] == ask(
            folders, asked, metric="rank"
        )

    def test_what_a_service_does_not_answer_has_no_cell(self, folders: Folders, measure: Measure) -> None:
        """A row that its service refused does not apply, for that row's own reason; nor does one of no service there."""
        refused = {
            "GET /": "expected status 200, found 503: no vhost",
            "load tests, memory per request": "100 in 60 s",
        }
        measure([], refused={"express": refused}, services=["express"], states={"express": "measured"})
        warehouse.build(folders)
        found = {
            (table, row): (applies, reason)
            for table, row, applies, reason in ask(
                folders,
                "select table_name, row_name, applies, reason from coverage "
                "where subject in ('express', 'redis') and metric <> 'rank'",
            )
        }

        assert found["api-latency/express", "GET /"] == (
            False,
            "express does not let it be measured: expected status 200, found 503: no vhost",
        )
        assert found["load-test/express", "GET /health/all"] == (
            False,
            "express does not let it be measured: 100 in 60 s",
        )
        assert found["api-latency/memory-per-request", "express"][0] is False
        assert found["operations/redis", "SET"] == (False, "the stack has no redis")
        assert found["api-latency/express", "GET /health"][0] is True

    def test_cpu_of_too_few_readings_is_a_doubt(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """CPU of one or two readings is doubted, memory is not."""
        measured = run(25)
        warehouse.build(folders)
        with duckdb.connect(str(folders.warehouse)) as con:
            for service, readings in (("gin", 1), ("redis", 3)):
                con.execute(
                    "insert into resources by name select $id as baseline_id, $service as service, 'apis' as category, "
                    "'load' as phase, $service || '/x/sustained-100/engine' as benchmark, 100 as users, "
                    "$readings as readings, 1 as seconds, 1 as cpu_p5, 1 as cpu_p50, 1 as cpu_p95, 1 as rss_bytes, "
                    "'processes' as source",
                    {"id": measured.id, "service": service, "readings": readings},
                )
        asked = "select name, measure, reason from measurements where kind = 'use' order by all"

        assert [
            ("gin/load", "cpu_percent", "weak: from 1 reading, where CPU needs 3; measure longer"),
            ("gin/load", "rss_bytes", None),
            ("redis/load", "cpu_percent", None),
            ("redis/load", "rss_bytes", None),
        ] == ask(folders, asked)


class TestLint:
    def test_finds_what_is_wrong_in_print(self, folders: Folders) -> None:
        """The published errors that are known are found, and nothing is said of the figures that hold."""
        warehouse.build(folders)
        found = ask(folders, "select rule, place, round(expected), round(found) from lint")
        rules = {rule for rule, *_ in found}

        assert ("duration against limit", "load-test/fastapi GET /health/all", 60, 245) in found
        assert ("sum against total", "resources/idle total rss", 1865, 2867) in found
        assert ("sum against total", "resources/idle total vsz", 3362, 5325) in found
        assert ("p95 against mean", "operations/rabbitmq", None, 2) in found
        assert ("Little's law", "operations/postgresql SELECT (full scan, 10k rows)", 5, 15) in found
        assert {"duration against limit", "sum against total", "p95 against mean", "Little's law"} == rules

    def test_is_silent_about_honest_tables(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """What is derived from samples contradicts nothing."""
        run(25, users=1)
        warehouse.build(folders)

        assert [] == ask(folders, "from lint where not starts_with(source, 'published ')")

    @pytest.mark.parametrize(
        ("change", "rules"),
        [
            ("update percentiles set p50_ns = max_ns + 1", {"order of percentiles", "bounds"}),
            ("update percentiles set n = n + 1", {"sum against total", "rate x time = count"}),
            ("update percentiles set throughput_per_s = 2 * throughput_per_s", {"rate x time = count"}),
            ("update baselines set samples = samples + 1", {"sum against total"}),
            ("update rounds set elapsed_ns = elapsed_ns / 10", {"rate x time = count", "Little's law"}),
            ("update rounds set elapsed_ns = 2 * elapsed_ns", {"rate x time = count", "Little's law"}),
            ("update percentiles set p95_low_ns = p50_ns - 1", {"bounds"}),
            ("update percentiles set p95_high_ns = max_ns + 1", {"bounds"}),
        ],
    )
    def test_finds_what_is_wrong_in_ours(
        self, folders: Folders, run: Callable[..., Baseline], change: str, rules: set[str]
    ) -> None:
        """Tables that somebody changed contradict themselves."""
        run(25, users=1)
        warehouse.build(folders)
        with duckdb.connect(str(folders.warehouse)) as con:
            con.execute(change)

        assert rules == {
            rule
            for (rule,) in ask(
                folders, "select distinct rule from lint where not starts_with(source, 'published ')"
            )
        }


def verdicts(folders: Folders, a: Baseline, b: Baseline) -> dict[str, tuple[str, str]]:
    """Of each benchmark the verdicts on p50 and p95."""
    found = ask(folders, "select benchmark, verdict, p95_verdict from compare($a, $b)", a=a.id, b=b.id)
    return {benchmark: (verdict, p95) for benchmark, verdict, p95 in found}


class TestCompare:
    def test_finds_what_doubled(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """Twice as long is slower even without repeats, and the other way round faster; the ratio says how much."""
        a, b = run(24), run(25, 2.0)
        warehouse.build(folders)

        assert {("slower", "slower")} == set(verdicts(folders, a, b).values())
        assert {("faster", "faster")} == set(verdicts(folders, b, a).values())
        [(p50, p95, overlap)] = ask(
            folders,
            "select p50_ratio, p95_ratio, bounds_overlap from compare($a, $b) where service = 'redis'",
            a=a.id,
            b=b.id,
        )
        assert (2, 2, False) == (pytest.approx(p50, rel=0.01), pytest.approx(p95, rel=0.01), overlap)

    def test_needs_repeats_to_see_little(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """Ten per cent cannot be told without repeats, and are slower once steady repeats show how little chance does."""
        a, b = run(20), run(25, 1.1)
        warehouse.build(folders)
        few = verdicts(folders, a, b)
        for day in (21, 22, 23, 24):
            run(day, 1 + day / 10_000)
        warehouse.build(folders)
        many = verdicts(folders, a, b)

        assert "cannot tell: less than 50 % could not be seen" == few["redis/get-hit/closed-10/engine"][0]
        assert "slower" == many["redis/get-hit/closed-10/engine"][0]

    def test_says_when_nothing_changed(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """The same again, after steady repeats, is no change."""
        baselines = [run(day, 1 + day / 10_000) for day in (20, 21, 22, 23, 24, 25)]
        warehouse.build(folders)

        assert {("no change", "no change")} == set(verdicts(folders, *baselines[-2:]).values())

    def test_compares_like_with_like_only(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """Another placement, an invalid row and a benchmark that only one has are not comparable, and say why."""
        a, b = run(23), run(24, placement="apart:1|0")
        c, d = run(25, outcome=[4] * 400), run(26, users=5)
        warehouse.build(folders)
        name = "redis/get-hit/closed-10/engine"

        assert "not comparable: placed together:1 before, apart:1|0 now" == verdicts(folders, a, b)[name][0]
        assert verdicts(folders, a, c)[name][0].startswith("invalid: now: 2,000 of 2,000 calls")
        assert "not comparable: it was not measured now" == verdicts(folders, a, d)[name][0]

    def test_takes_quiet_rounds_alone(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """Rounds in which others used much of the machine say nothing of the service."""
        a, b = run(24), run(25, 2.0, other_cpu=0.9)
        warehouse.build(folders)

        assert {"cannot tell: fewer than 3 of its rounds were long and quiet enough now"} == {
            verdict for verdict, _ in verdicts(folders, a, b).values()
        }

    def test_is_the_table_of_the_report(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """What `comparisons` says of a baseline and its reference, `compare` says of the two, word for word."""
        for day, factor in enumerate((1.0, 1.004, 1.009, 1.001, 1.2, 1.06, 1.07, 2.0, 1.03), 10):
            run(day, factor)
        run(19, outcome=[4] * 400)
        warehouse.build(folders)
        table = ask(
            folders,
            "select reference_id, baseline_id, benchmark, metric, verdict, reason, ratio from comparisons",
        )
        pairs = {(before, now) for before, now, *_ in table}
        macro = {
            (*pair, name, metric): (said, ratio)
            for pair in pairs
            for name, *both in ask(
                folders,
                "select benchmark, verdict, p50_ratio, p95_verdict, p95_ratio from compare($a, $b)",
                a=pair[0],
                b=pair[1],
            )
            for metric, said, ratio in (("p50", *both[:2]), ("p95", *both[2:]))
        }

        assert 9 == len(pairs)
        assert {"slower", "no change", "cannot tell", "invalid"} <= {row[4] for row in table}
        for *key, verdict, reason, ratio in table:
            said, rounded = macro[*key]
            assert said.startswith(f"{verdict}: {reason}" if reason else verdict)
            assert rounded == (None if ratio is None else round(ratio, 3))

    def test_an_unknown_baseline_is_an_error(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """An id that no baseline has looks like one without rows, so it is named."""
        known = run(24)
        warehouse.build(folders)
        with warehouse.connect(folders) as con:
            for pair in (("x", known.id), (known.id, "x")):
                with pytest.raises(StoreError, match="No baseline is called x"):
                    list(answered(con, f"from compare{pair}").rows)

    def test_rounds_that_differ_beyond_all_bounds_cannot_tell(
        self, folders: Folders, measure: Measure, make_round: MakeRound
    ) -> None:
        """A floor that no integer holds is a floor all the same."""
        rounds = [make_round(number, [10 ** (2 + 2 * number)] * 80) for number in range(1, 4)]
        a, b = measure(rounds, 24), measure(rounds, 25)
        warehouse.build(folders)

        assert {("cannot tell: less than 99900 % could not be seen",) * 2} == {
            *verdicts(folders, a, b).values()
        }

    def test_what_moved_with_all_others_is_the_machine(
        self, folders: Folders, measure: Measure, make_round: MakeRound
    ) -> None:
        """Twelve benchmarks take 8 % longer, and one of them half as long again: that one alone is slower."""

        def run(day: int, factor: float, of_one: float) -> Baseline:
            names = [f"operation-{number}" for number in range(12)]
            factors = {name: of_one if name == names[0] else factor for name in names}
            return measure(
                [
                    make_round(
                        number,
                        [round(100_000 * factors[name]) + number * 100 + k for k in range(80)],
                        benchmark=Benchmark("redis", name, Load(1), "engine"),
                    )
                    for name in names
                    for number in range(1, 6)
                ],
                day,
                host=HOST,
            )

        baselines = [run(day, 1 + day / 10_000, 1 + day / 10_000) for day in range(20, 25)]
        last = run(25, 1.08, 1.5)
        warehouse.build(folders)
        macro = verdicts(folders, baselines[-1], last)

        assert {
            name: "slower"
            if name == "redis/operation-0/closed-1/engine"
            else "cannot tell: it moved with all the others, so the machine did"
            for name in macro
        } == {name: p50 for name, (p50, _) in macro.items()}

    @pytest.mark.parametrize(("before", "after"), [(HOST, {}), ({}, HOST)])
    def test_an_unknown_machine_is_another_one(
        self,
        folders: Folders,
        run: Callable[..., Baseline],
        before: dict[str, str],
        after: dict[str, str],
    ) -> None:
        """Where one baseline says nothing of its machine, nobody knows that it is the same."""
        a, b = run(24, host=before), run(25, 2.0, host=after)
        warehouse.build(folders)

        assert {True} == {
            verdict.startswith("not comparable: another machine: ")
            for verdict, _ in verdicts(folders, a, b).values()
        }


class TestMacros:
    def test_history_has_each_baseline(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """Oldest first, with the ratio to the one before."""
        older, newer = run(24), run(25, 2.0)
        warehouse.build(folders)
        found = ask(
            folders,
            "select baseline_id, product, p50_ratio from history('redis/get-hit/closed-10/engine')",
        )

        assert [(older.id, "Redis 7.0.15", None), (newer.id, "Redis 7.0.15", 2.0)] == [
            (name, product, ratio and round(ratio, 1)) for name, product, ratio in found
        ]

    @pytest.mark.parametrize("path", ["/health/all", "GET /health/all"])
    def test_ranking_is_by_path(self, folders: Folders, run: Callable[..., Baseline], path: str) -> None:
        """Every service that answers it, fastest first, and how many times as long the others take."""
        run(25)
        warehouse.build(folders)

        assert [(1, "gin", 1.0), (2, "express", 1.6)] == ask(
            folders, "select rank, service, times_the_fastest from ranking($path)", path=path
        )

    def test_ranking_is_that_of_the_report(
        self, folders: Folders, measure: Measure, make_round: MakeRound
    ) -> None:
        """Who answered otherwise, asks in another way or was called too seldom has no rank, there and here."""
        route = "GET /health/all"
        healthy = {"status": "string: healthy", "dependencies": "object"}
        for name in ("vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq"):
            healthy |= {f"dependencies.{name}": "object", f"dependencies.{name}.status": "string: healthy"}
            healthy |= {f"dependencies.{name}.latency_ms": "number"}
        calls = {"gin": 400, "express": 400, "actix": 400, "fastapi": 400, "fastapi_api_first": 60}
        answers = {
            service: [
                RouteAnswer(
                    route=route,
                    status=200,
                    shape=healthy if service != "express" else {"ok": "string"},
                )
            ]
            for service in calls
        }
        asking = {"actix": "concurrent"}
        baseline = measure(
            [
                make_round(
                    number,
                    [(place + 1) * 100_000 + k for k in range(n // 5)],
                    benchmark=Benchmark(service, "get-health-all", Load(1), "engine"),
                )
                for place, (service, n) in enumerate(calls.items())
                for number in range(1, 6)
            ],
            answers=answers,
            operations={f"{service}/get-health-all": route for service in calls},
            facts={
                service: Facts(
                    product=service,
                    version="1",
                    settings={"aggregation": asking.get(service, "sequential")},
                )
                for service in calls
            },
        )
        warehouse.build(folders)
        with warehouse.connect(folders) as con:
            [report] = rankings(con, baseline.id)
        found = ask(folders, "select service, rank, why_not from ranking($path)", path=route)

        assert ["gin", "fastapi"] == [place.service for place in report.places]
        assert [("gin", 1, None), ("fastapi", 2, None)] == found[:2]
        assert report.left_out.keys() == {service for service, rank, why in found if rank is None and why}

    def test_a_family_is_ranked_by_its_own_answer(
        self, folders: Folders, measure: Measure, make_round: MakeRound
    ) -> None:
        """APIs of another family owe this project's contract nothing: those that answer alike are ranked."""
        shapes = {
            "gin": {"status": "string"},
            "fastapi": {"status": "string"},
            "express": {"uptime": "number"},
        }
        measure(
            [
                make_round(
                    number, [100_000 * place] * 80, benchmark=Benchmark(name, "get-health", Load(1), "engine")
                )
                for place, name in enumerate(shapes, 1)
                for number in range(1, 4)
            ],
            answers={
                name: [RouteAnswer(route="GET /health", status=200, shape=shape, family="devstack-core")]
                for name, shape in shapes.items()
            },
            operations={f"{name}/get-health": "GET /health" for name in shapes},
        )
        warehouse.build(folders)

        assert [("gin", 1), ("fastapi", 2), ("express", None)] == ask(
            folders, "select service, rank from ranking('GET /health')"
        )

    def test_slowest_is_as_long_as_asked(self, folders: Folders, run: Callable[..., Baseline]) -> None:
        """The slowest operations of one user, slowest first."""
        run(25)
        warehouse.build(folders)

        assert [("express",), ("gin",)] == ask(folders, "select service from slowest(2)")

    @pytest.mark.parametrize(("share", "rank"), [(0.5, 1000), (0.995, 1990), (1.0, 2000)])
    def test_percentile_of_is_exact(
        self, folders: Folders, run: Callable[..., Baseline], share: float, rank: int
    ) -> None:
        """Nearest rank over every call, for each baseline or the one that is named."""
        older, newer = run(24), run(25)
        warehouse.build(folders)
        calls = sorted(round(100_000 * (1 + 0.01 * number) + k) for number in range(1, 6) for k in range(400))
        question = (
            f"select baseline_id, n, latency_ns from percentile_of('redis/get-hit/closed-10/engine', {share}"  # noqa: S608 - our own number
        )

        assert [(one.id, 2000, calls[rank - 1]) for one in (older, newer)] == ask(folders, f"{question})")
        assert [(newer.id, 2000, calls[rank - 1])] == ask(
            folders, f"{question}, in_baseline := '{newer.id}')"
        )

    def test_work_attached_and_read_only_from_anywhere(
        self, folders: Folders, run: Callable[..., Baseline], tmp_path: Path
    ) -> None:
        """Another program in another folder has them after `use`, and cannot write."""
        a, b = run(24), run(25)
        warehouse.build(folders)
        questions: Sequence[str] = (
            f"attach '{folders.warehouse}' as other (read_only)",
            "use other",
            f"from compare('{a.id}', '{b.id}')",
            "from percentile_of('redis/get-hit/closed-10/engine', 0.99)",
            "from coverage",
            "from ranking('/health/all')",
        )
        program = f"import duckdb\ncon = duckdb.connect()\nfor q in {list(questions)!r}: rows = con.execute(q).fetchall()\nprint(len(rows))"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

        assert ("2", "") == (done.stdout.strip(), done.stderr)
