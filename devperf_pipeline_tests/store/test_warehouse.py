import json
import math
import random
import shutil
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import Baseline, Benchmark, Load, Round, Throttling
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.rules import RULE_TABLES

Store = Callable[..., Baseline]
MakeRound = Callable[..., Round]

HOLDER = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
if sys.argv[2] == "write":
    con.execute("create table mine as select 1")
print(con.execute("select count(*) from baselines").fetchone()[0], flush=True)
sys.stdin.readline()
print(con.execute("select count(*) from baselines").fetchone()[0], flush=True)
"""


def ask(folders: Folders, question: str) -> list[tuple[object, ...]]:
    """The rows of a question to the warehouse."""
    with warehouse.connect(folders) as con:
        return con.execute(question).fetchall()


def nearest_rank(values: list[int], share: float) -> int:
    """The smallest value that at least that share of all values does not exceed."""
    return sorted(values)[math.ceil(round(share * len(values), 6)) - 1]


class TestBuild:
    def test_numbers_by_hand(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """Counts, percentiles and throughput must be those of all calls together, failed ones included."""
        pieces = [[(7919 * k * seed) % 50_021 + 1000 for k in range(1, 301)] for seed in (1, 2, 3)]
        bad = array("b", [0] * 298 + [1, 3])
        rounds = [
            make_round(k + 1, one, **({"outcome": bad} if k == 0 else {})) for k, one in enumerate(pieces)
        ]
        measure(rounds)
        report = warehouse.build(folders)
        everything = [latency for one in pieces for latency in one]
        (found,) = ask(
            folders,
            "select n, errors, mean_ns, min_ns, p50_ns, p90_ns, p95_ns, p99_ns, p999_ns, max_ns, "
            "throughput_per_s, title, valid, rounds, p95_bounds from percentiles",
        )
        elapsed_ns = sum(one.elapsed_ns for one in rounds)
        quantiles = [nearest_rank(everything, share) for share in (0.5, 0.9, 0.95, 0.99, 0.999)]
        assert (900, 2, sum(everything) / 900, min(everything), *quantiles, max(everything)) == found[:10]
        assert found[10] == pytest.approx(898 / (elapsed_ns / 1e9))
        assert found[11:] == ("GET (hit)", True, 3, "rounds")
        assert (1, 900, 1, ()) == (report.baselines, report.samples, report.rows, report.said)
        assert [(nearest_rank(one, 0.95),) for one in pieces] == ask(
            folders, "select p95_ns from rounds order by round"
        )

    def test_bounds_from_samples(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """With one round the bounds of p95 must be calls at known ranks: of 100 calls, the 90th and the 99th or so."""
        measure([make_round(1)])
        warehouse.build(folders)
        ((low, high, kind),) = ask(folders, "select p95_low_ns, p95_high_ns, p95_bounds from percentiles")
        assert (90_000, 100_000, "samples") == (low, high, kind)

    def test_bounds_stay_among_the_calls(
        self, folders: Folders, measure: Store, make_round: MakeRound
    ) -> None:
        """Rounds that differ a hundredfold must give no bound of p95 below p50 or above the slowest call."""
        measure([make_round(k, [10**k * (1_000 + call) for call in range(100)]) for k in (1, 2, 3)])
        warehouse.build(folders)
        found = ask(
            folders, "select p50_ns, p95_low_ns, p95_ns, p95_high_ns, max_ns, p95_bounds from percentiles"
        )
        assert [(104_900, 104_900, 1_084_000, 1_099_000, 1_099_000, "rounds")] == found

    def test_few_calls_have_no_bounds(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """71 calls must have no bounds of p95."""
        measure([make_round(1, [1000] * 71)])
        warehouse.build(folders)
        assert [(None, None, None)] == ask(
            folders, "select p95_low_ns, p95_high_ns, p95_bounds from percentiles"
        )

    def test_the_floor_stands_beside_each_row(
        self, folders: Folders, measure: Store, make_round: MakeRound
    ) -> None:
        """Each row must carry the median of the floor of its service and instrument at one user, and no other."""
        floor = Benchmark("redis", "floor", Load(1), "engine")
        driver = Benchmark("redis", "get-hit", Load(1), "driver")
        measure([make_round(1), make_round(1, [500] * 30, benchmark=floor), make_round(1, benchmark=driver)])
        warehouse.build(folders)
        found = ask(folders, "select operation, instrument, floor_p50_ns from percentiles order by all")
        assert found == [("floor", "engine", 500), ("get-hit", "driver", None), ("get-hit", "engine", 500)]

    def test_an_invalid_floor_stands_beside_no_row(
        self, folders: Folders, measure: Store, make_round: MakeRound
    ) -> None:
        """A floor that does not count is no floor."""
        floor = Benchmark("redis", "floor", Load(1), "engine")
        measure([make_round(1), make_round(1, [500] * 30, benchmark=floor, problem="not steady")])
        warehouse.build(folders)
        found = ask(folders, "select operation, valid, floor_p50_ns from percentiles order by all")
        assert found == [("floor", False, None), ("get-hit", True, None)]

    def test_the_plan_stands_beside_each_row(
        self, folders: Folders, measure: Store, make_round: MakeRound
    ) -> None:
        """How a server said that it would answer is a column of the operation's rows, and null of the others."""
        rounds = [
            make_round(1, [1000, 1001], benchmark=Benchmark("postgresql", name, Load(1), "engine"))
            for name in ("own-a", "own-b")
        ]
        measure(rounds, plans={"postgresql/own-a": "Seq Scan on orders"})
        warehouse.build(folders)

        assert [("own-a", "Seq Scan on orders"), ("own-b", None)] == ask(
            folders, "select operation, plan from percentiles order by 1"
        )

    def test_samples_and_n_agree(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """The calls in `samples` must be as many as the sum of n, without warm-ups, and p95 must be theirs."""
        measure([make_round(1), make_round(1, [7] * 50, phase="warmup"), make_round(2, [])], day=24)
        measure([make_round(1), make_round(2)], day=25)
        warehouse.build(folders)
        assert [(300, 300, 50)] == ask(
            folders,
            "select (select count(*) from samples), (select sum(n) from percentiles), (select count(*) from warmups)",
        )
        again = "select quantile_disc(latency_ns, 0.95) from samples group by baseline_id, benchmark order by baseline_id"
        assert ask(folders, again) == ask(folders, "select p95_ns from percentiles order by baseline_id")

    def test_what_a_cpu_limit_did(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """Each round has its own, the row the sum of those that know it; without a limit nothing is claimed."""
        measure(
            [
                make_round(1, throttling=Throttling(4, 3, 200)),
                make_round(2, throttling=Throttling(6, 0, 0)),
                make_round(3),
            ],
            day=24,
        )
        measure([make_round(1)], day=25)
        warehouse.build(folders)

        assert [(4, 3, 200), (6, 0, 0), (None,) * 3, (None,) * 3] == ask(
            folders, "select periods, throttled_periods, throttled_ns from rounds order by baseline_id, round"
        )
        assert [(10, 3, 200), (None,) * 3] == ask(
            folders, "select periods, throttled_periods, throttled_ns from percentiles order by baseline_id"
        )

    def test_begins_come_back(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """Calls must come back with the begin they had: long, overlapping, and in the order they were kept."""
        begin, latency = [0, 5, 2, 10**12, 10**12 - 70_000], [10, 6, 70_000, 3_000_000_000, 1]
        rounds = [make_round(number, latency, begin_ns=begin) for number in (1, 2)]
        measure([rounds[0], make_round(1, latency, begin_ns=begin, phase="warmup"), rounds[1]])
        warehouse.build(folders)
        for view, numbers in (("samples", (1, 2)), ("warmups", (1,))):
            expected = sorted(
                (number, *call) for number in numbers for call in zip(begin, latency, strict=True)
            )
            assert expected == ask(folders, f"select round, begin_ns, latency_ns from {view} order by all")  # noqa: S608 - our own names

    def test_facts_and_states(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """Host, services and the baseline itself must be there as they were found, whatever their text."""
        measure([make_round(1)], reasons={"mysql": "not installed"})
        warehouse.build(folders)
        facts = {
            (row[0], row[1]): row[2] for row in ask(folders, "select service, key, value from infrastructure")
        }
        assert facts["host", "hostile"] == "a 'quote'; | <b>\0"
        assert ("7.0.15", "256mb") == (facts["redis", "version"], facts["redis", "maxmemory"])
        assert [("mysql", None, None, "not installed"), ("redis", "Redis", "measured", None)] == ask(
            folders, "select service, product, state, reason from services order by service"
        )
        assert [("complete", 100, 1, 1_795_576_500)] == ask(
            folders, "select state, samples, rounds, epoch(began_at)::bigint from baselines"
        )

    def test_an_empty_warehouse_answers(self, folders: Folders) -> None:
        """Without any baseline every table and view must be there, and empty but for what the project itself says."""
        warehouse.build(folders)
        rules = [name for name in RULE_TABLES if name not in {"host_facts", "rules"}]
        for name in (*warehouse.TABLES, *warehouse.FILES, *rules, "current", "differences", "agreements"):
            assert ask(folders, f"select count(*) from {name}") == [(0,)]  # noqa: S608 - our own names

    def test_everything_is_explained(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """Every table, view and column must have a comment."""
        measure([make_round(1)])
        warehouse.build(folders)
        silent = (
            "select table_name, column_name from duckdb_columns() where comment is null and not internal union all "
            "select table_name, '' from duckdb_tables() where comment is null union all "
            "select view_name, '' from duckdb_views() where comment is null and not internal"
        )
        assert ask(folders, silent) == []

    def test_an_odd_folder_name(self, tmp_path: Path, measure: Store, make_round: MakeRound) -> None:
        """Quotes and pattern characters in the project's path must not hide its samples."""
        measure([make_round(1)])
        odd = Folders(tmp_path / "it's [1]" / "a *")
        odd.root.mkdir(parents=True)
        Folders(tmp_path).data.rename(odd.data)
        warehouse.build(odd)
        assert ask(odd, "select count(*) from samples") == [(100,)]

    def test_from_another_folder_after_a_move(
        self, folders: Folders, tmp_path: Path, measure: Store, make_round: MakeRound
    ) -> None:
        """A session must find samples that moved through the variable, and from any working directory."""
        measure([make_round(1)])
        warehouse.build(folders)
        folders.samples.rename(tmp_path / "moved")
        with duckdb.connect(str(folders.warehouse), read_only=True) as con:
            con.execute(f"set variable devperf_samples = '{tmp_path / 'moved'}'")
            assert con.execute("select count(*) from samples").fetchall() == [(100,)]

    def test_old_baselines_cost_little(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """What was summarised must not be read again; a rebuild must read it again."""
        baseline = measure([make_round(1)])
        warehouse.build(folders)
        summary = next(folders.data.glob("derived/*/*/percentiles.parquet"))
        before = summary.stat().st_mtime_ns
        warehouse.build(folders)
        assert before == summary.stat().st_mtime_ns
        warehouse.rebuild(folders)
        assert (True, baseline.id) == (summary.stat().st_mtime_ns > before, summary.parent.name)


class TestCurrent:
    def test_newest_valid_row_of_each_stack(
        self, folders: Folders, measure: Store, make_round: MakeRound
    ) -> None:
        """An invalid newer row must not hide an older valid one, and another stack must not either."""
        measure([make_round(1)], day=20)
        measure([make_round(1)], day=21)
        measure([make_round(1, outcome=array("b", [5] * 100))], day=22)
        measure([make_round(1)], day=23, stack="other")
        warehouse.build(folders)
        assert [("20261121", "local"), ("20261123", "other")] == ask(
            folders, "select baseline_id[:8], stack from current order by stack"
        )


class TestHeldOpen:
    @pytest.mark.parametrize("how", ["read", "write"])
    def test_a_client_stops_nothing(
        self, folders: Folders, measure: Store, make_round: MakeRound, how: str
    ) -> None:
        """A client in another process, reading or writing, must stop neither build nor report, and keep what it saw."""
        measure([make_round(1)], day=24)
        warehouse.build(folders)
        command = [sys.executable, "-c", HOLDER, str(folders.warehouse), how]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout
            assert holder.stdout.readline() == "1\n"
            # Also before the next build: of a file that is held for writing a copy is read.
            assert ask(folders, "select count(*) from baselines") == [(1,)]
            measure([make_round(1)], day=25)
            assert warehouse.build(folders).baselines == 2
            assert ask(folders, "select count(*) from baselines") == [(2,)]
            assert holder.communicate("\n", timeout=30)[0] == "1\n"
        assert ask(folders, "select count(*) from samples") == [(200,)]
        assert [] == [path.name for path in folders.data.glob(".*") if path.is_dir()]


class TestBroken:
    @pytest.mark.parametrize("how", ["truncated", "empty", "flipped", "foreign", "another"])
    def test_samples_are_set_aside(
        self, folders: Folders, measure: Store, make_round: MakeRound, how: str
    ) -> None:
        """Damaged samples of one baseline must be named and kept aside; its rows say so, and all others are used."""
        broken = folders.samples / f"baseline_id={measure([make_round(1)], day=24).id}" / "samples.parquet"
        measure([make_round(1)], day=25)
        measure([make_round(1, [8] * 100)], day=26)
        data = broken.read_bytes()
        if how == "truncated":
            broken.write_bytes(data[:-20])
        elif how == "empty":
            broken.write_bytes(b"")
        elif how == "flipped":
            broken.write_bytes(data[:120] + bytes(byte ^ 0xFF for byte in data[120:200]) + data[200:])
        elif how == "foreign":
            with duckdb.connect() as con:
                con.execute("copy (select 1 as a) to $1 (format parquet)", [str(broken)])
        else:
            broken.write_bytes(
                (folders.samples / "baseline_id=20261126T031500Z-3f9a" / "samples.parquet").read_bytes()
            )
        (message,) = warehouse.build(folders).said
        assert (True, True) == (str(broken) in message, broken.with_name("samples.parquet.broken").exists())
        assert [(0, "no samples"), (100, None), (100, None)] == ask(
            folders, "select n, invalid_reason from percentiles order by baseline_id"
        )
        assert ask(folders, "select count(*) from samples") == [(200,)]
        assert len(warehouse.build(folders).said) == 0

    @pytest.mark.parametrize("name", ["baseline.json", "rounds.parquet"])
    def test_a_folder_is_set_aside(
        self, folders: Folders, measure: Store, make_round: MakeRound, name: str
    ) -> None:
        """A baseline that nothing describes must be kept aside whole."""
        baseline = measure([make_round(1)], day=24)
        measure([make_round(1)], day=25)
        (folders.samples / f"baseline_id={baseline.id}" / name).write_text("{")
        (message,) = warehouse.build(folders).said
        assert f"{baseline.id}.broken" in message
        assert ask(folders, "select (select count(*) from samples), sum(n) from percentiles") == [(100, 100)]

    def test_a_newer_schema_is_named(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """A baseline of another schema version must be named as that."""
        path = folders.samples / f"baseline_id={measure([make_round(1)]).id}" / "baseline.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
        assert "schema version 99" in warehouse.build(folders).said[0]

    def test_a_damaged_summary_is_made_again(
        self, folders: Folders, measure: Store, make_round: MakeRound
    ) -> None:
        """A summary that was truncated must be made again from the samples."""
        measure([make_round(1)])
        warehouse.build(folders)
        next(folders.data.glob("derived/*/*/rounds.parquet")).write_bytes(b"PAR1")
        assert (1, ()) == (warehouse.build(folders).rows, warehouse.build(folders).said)

    @pytest.mark.parametrize("content", [b"", b"hello", random.Random(1).randbytes(20_000), None])  # noqa: S311 - repeatable on purpose
    def test_a_warehouse_that_cannot_be_read_says_what_to_do(
        self, folders: Folders, measure: Store, make_round: MakeRound, content: bytes | None
    ) -> None:
        """A missing or damaged warehouse must be an error that names the remedy, and the remedy must work."""
        measure([make_round(1)])
        if content is not None:
            folders.warehouse.write_bytes(content)
            folders.warehouse.with_name("devperf.duckdb.wal").write_bytes(b"left over")
        with pytest.raises(StoreError, match="devperf rebuild"):
            warehouse.connect(folders)
        warehouse.rebuild(folders)
        assert ask(folders, "select count(*) from samples") == [(100,)]


class TestKilled:
    def test_the_old_warehouse_stays(self, folders: Folders, measure: Store, make_round: MakeRound) -> None:
        """SIGKILL just before the new file takes its place must leave the old one, and the next build must be whole."""
        measure([make_round(1)], day=24)
        warehouse.build(folders)
        measure([make_round(1)], day=25)
        script = (
            "import os, signal, sys; from pathlib import Path; from devperf_pipeline.stack.folders import Folders\n"
            "from devperf_pipeline.store import warehouse\n"
            "real = os.replace\n"
            "def die(a, b):\n"
            "    return os.kill(os.getpid(), signal.SIGKILL) if str(b).endswith('.duckdb') else real(a, b)\n"
            "os.replace = die\n"
            "warehouse.build(Folders(Path(sys.argv[1])))"
        )
        ended = subprocess.run([sys.executable, "-c", script, str(folders.root)], check=False, timeout=60)
        assert (-9, [(1,)]) == (ended.returncode, ask(folders, "select count(*) from baselines"))
        began = time.monotonic()
        assert (2, True) == (warehouse.build(folders).baselines, time.monotonic() - began < 30)
        assert [] == list(folders.data.glob(".building-*"))


class TestAnotherVersion:
    def test_is_said_with_the_remedy(self, tmp_path: Path) -> None:
        """A warehouse that lacks a column of today is no stack trace: it is made anew by one command."""
        folders = Folders(tmp_path)
        warehouse.build(folders)
        with duckdb.connect(str(folders.warehouse)) as con:
            con.execute("alter table percentiles drop column busy_rounds")
        con = warehouse.connect(folders)
        try:
            with pytest.raises(StoreError, match=r"another version.*devperf rebuild"):
                warehouse.query(con, "report_rows", baseline_id="x")
        finally:
            con.close()


class TestUnwritable:
    @pytest.mark.parametrize("taken", ["derived", "devperf.duckdb", ".building.lock"])
    def test_says_what_to_do(
        self, folders: Folders, measure: Store, make_round: MakeRound, taken: str
    ) -> None:
        """Where a file or folder of another kind stands in the way, the message names it, and the samples stay."""
        measure([make_round(1, [10, 20])])
        way = folders.data / taken
        if taken == "derived":
            way.write_text("no folder")
        else:
            (way / "something").mkdir(parents=True)
        with pytest.raises(StoreError, match=r"make the tables from the samples: devperf rebuild") as error:
            warehouse.build(folders)
        if taken == "derived":
            way.unlink()
        else:
            shutil.rmtree(way)

        assert taken in str(error.value)
        assert 2 == warehouse.build(folders).samples
