"""What do the tests of reports share: a warehouse whose rows they choose."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest

from devperf_pipeline.report.loaded import Report
from devperf_pipeline.report.rows import Run
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.questions import add_questions
from devperf_pipeline.store.rules import PARAMETERS, RULE_TABLES, add_rules
from devperf_pipeline.store.schema import relation
from devperf_pipeline.store.sql_files import statement
from devperf_pipeline.store.warehouse import TABLES

CALLS = """
create table calls (
    baseline_id varchar, benchmark varchar, round integer, begin_ns bigint, latency_ns bigint, outcome tinyint
)
"""


RUN = Run(
    baseline_id="b", stack="local", profile="quick", seed=1, began_at_ns=0, ended_at_ns=1, forecast_s=None,
    state="complete", samples=0, rounds=0, benchmarks=0, calls=0, newest=True,
)  # fmt: skip


def given(run: Run = RUN, **read: Any) -> Report:
    """A report of which these parts have been read already; everything else has no rows."""
    report = Report(run, _nothing())
    vars(report).update({"parts": [], **read})
    return report


def cells(line: str) -> list[str]:
    """The cells of a line of a Markdown table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def tables(markdown: str) -> list[list[list[str]]]:
    """The rows of each table of Markdown, without its head."""
    found = re.findall(r"^(?:\|.*\n?)+", markdown, re.MULTILINE)
    return [[cells(line) for line in table.splitlines()[2:]] for table in found]


def points(markdown: str) -> list[str]:
    """The points of all lists of Markdown."""
    return [line.removeprefix("- ") for line in markdown.splitlines() if line.startswith("- ")]


def _derive(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that rules fill, from what the others hold now."""
    for table in RULE_TABLES:
        text = statement(f"table_{table}").replace("create table", "create or replace table")
        con.execute(text, PARAMETERS.get(f"table_{table}"))


def _create(con: duckdb.DuckDBPyConnection) -> None:
    """Every table, view and macro of a warehouse, without rows."""
    for table in TABLES:
        con.execute(relation(table).create)
    con.execute(CALLS)
    con.execute("create view samples as select * from calls")
    con.execute("create view warmups as select * from calls where false")
    con.execute(f"create view resource_samples as {relation('resource_samples').empty}")
    con.execute("create table readings as from resource_samples")
    con.execute("create or replace view resource_samples as from readings")
    add_rules(con)
    add_questions(con)


@cache
def _nothing() -> duckdb.DuckDBPyConnection:
    """A warehouse without rows that lasts as long as the tests."""
    con = duckdb.connect()
    _create(con)
    return con


@cache
def _empty() -> bytes:
    """The file of a warehouse without rows: what every test begins with."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.duckdb"
        with duckdb.connect(str(file)) as con:
            _create(con)
        return file.read_bytes()


class Warehouse:
    """A warehouse file in the project's folder, filled row by row."""

    def __init__(self, root: Path) -> None:
        self._folders = Folders(root)
        self._folders.data.mkdir()
        self._folders.warehouse.write_bytes(_empty())
        self._full = False
        self._con = duckdb.connect(str(self._folders.warehouse))
        # One transaction: each commit waits for the disk.
        self._con.begin()

    @property
    def folders(self) -> Folders:
        """Where the warehouse is. Asking for it ends the filling: nobody else opens a file that is being written."""
        if not self._full:
            self._full = True
            _derive(self._con)
            self._con.commit()
            self._con.close()
        return self._folders

    def _insert(self, table: str, **values: Any) -> None:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self._con.execute(f"insert into {table} ({names}) values ({marks})", list(values.values()))  # noqa: S608 - our own names

    def baseline(self, day: int, **values: Any) -> str:
        """A run of three minutes at 03:15 UTC on that day of November 2026."""
        began = f"2026-11-{day:02}T03:15:00Z"
        found = {
            "baseline_id": f"202611{day:02}T031500Z-0000",
            "stack": "local",
            "profile": "quick",
            "seed": 42,
            "began_at": began,
            "ended_at": began.replace("15:00", "18:12"),
            "state": "complete",
            "samples": 0,
            "rounds": 0,
            "schema_version": 1,
        } | values
        self._insert("baselines", **found)
        return found["baseline_id"]

    def fact(self, baseline_id: str, service: str, key: str, value: str) -> None:
        self._insert("infrastructure", baseline_id=baseline_id, service=service, key=key, value=value)

    def service(self, baseline_id: str, service: str, **values: Any) -> None:
        found = {"product": "Redis", "version": "7.0.15", "state": "measured", "reason": None} | values
        self._insert("services", baseline_id=baseline_id, service=service, **found)

    def reading(self, baseline_id: str, service: str, operation: str, **values: Any) -> str:
        """A benchmark of `n` calls of 1 to n times 20 µs, measured at the end of its baseline."""
        n, users, instrument = (
            values.get("n", 500),
            values.get("users", 1),
            values.get("instrument", "engine"),
        )
        benchmark = values.get("benchmark", f"{service}/{operation}/closed-{users}/{instrument}")
        found = {
            "baseline_id": baseline_id,
            "service": service,
            "operation": operation,
            "title": operation.upper(),
            "benchmark": benchmark,
            "instrument": instrument,
            "users": users,
            "load": f"closed-{users}",
            "n": n,
            "errors": 0,
            "valid": True,
            "invalid_reason": None,
            "rounds": 5,
            "throughput_per_s": 18_012.7,
            "mean_ns": 25_000.4,
            "min_ns": 20_000,
            "p50_ns": 20_000,
            "p90_ns": 28_000,
            "p95_ns": 30_000,
            "p99_ns": 50_000,
            "p999_ns": 70_000,
            "max_ns": 90_000,
            "p95_low_ns": 29_000,
            "p95_high_ns": 31_000,
            "p95_bounds": "rounds",
            "floor_p50_ns": 13_500,
            "position": 0,
            "busy_rounds": 0,
            "placement": "together:1",
            "measured_at": f"{baseline_id[:4]}-{baseline_id[4:6]}-{baseline_id[6:8]}T03:18:12Z",
        } | values
        self._insert("percentiles", **found)
        self._con.execute(
            "insert into calls select $1, $2, 1, i * 1000000, 20000 * (i + 1), 0 from range($3) as t(i)",
            [baseline_id, benchmark, n],
        )
        return benchmark

    def row(self, table: str, **values: Any) -> None:
        """One row of a table, as it is; lists and maps too."""
        self._insert(table, **values)

    def loaded(
        self,
        baseline_id: str,
        service: str,
        users: int,
        throughput_per_s: float,
        cpu_percent: float,
        **values: Any,
    ) -> None:
        """A sustained load during which the service's processes were read four times."""
        load = f"sustained-{users}"
        benchmark = self.reading(
            baseline_id, service, "get-health-all", users=users, load=load, throughput_per_s=throughput_per_s,
            benchmark=f"{service}/get-health-all/{load}/engine", **values,
        )  # fmt: skip
        for number in range(4):
            self._insert(
                "readings", baseline_id=baseline_id, service=service, phase="load", benchmark=benchmark, users=users,
                at_ns=number * 10**9, elapsed_ns=10**9, cpu_percent=cpu_percent, rss_bytes=1 << 20,
            )  # fmt: skip

    def measured(
        self, baseline_id: str, service: str, operation: str, p50s_ns: Sequence[int], **values: Any
    ) -> str:
        """A benchmark with one round for each of these medians, each with a p95 twice as long."""
        other_cpu = values.pop("other_cpu", 0.0)
        middle = sorted(p50s_ns)[len(p50s_ns) // 2]
        benchmark = self.reading(
            baseline_id, service, operation, **{"p50_ns": middle, "rounds": len(p50s_ns)} | values
        )
        users, instrument = values.get("users", 1), values.get("instrument", "engine")
        for number, p50_ns in enumerate(p50s_ns, 1):
            self._insert(
                "rounds",
                baseline_id=baseline_id,
                service=service,
                operation=operation,
                benchmark=benchmark,
                instrument=instrument,
                users=users,
                load=f"closed-{users}",
                round=number,
                began_at="2026-11-25T03:16:00Z",
                elapsed_ns=200_000_000,
                n=100,
                errors=0,
                p50_ns=p50_ns,
                p95_ns=2 * p50_ns,
                placement=values.get("placement", "together:1"),
                other_cpu=other_cpu,
            )
        return benchmark


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty warehouse."""
    return Warehouse(tmp_path)
