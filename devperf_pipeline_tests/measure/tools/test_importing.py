from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from devperf_pipeline.cli import main
from devperf_pipeline.stack.folders import Folders

OUTPUTS = Path(__file__).with_name("outputs")


@pytest.fixture(name="folders")
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setenv("DEVPERF_ROOT", str(tmp_path))
    return Folders(tmp_path)


def imported(*names: str | Path) -> Result:
    return CliRunner().invoke(main, ["import", *(str(OUTPUTS / name) for name in names)])


def asked(folders: Folders, question: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folders.warehouse), read_only=True) as con:
        return con.execute(question).fetchall()


class TestImport:
    def test_says_what_it_took_each_file_for(self, folders: Folders) -> None:
        """Every file has a line, and its rows are in the tables, in a stack of their own."""
        result = imported("ab_t3_n60000.out", "pgbench_transaction.log", "redis_benchmark_csv_c50.out")

        assert 0 == result.exit_code
        assert [
            "ab_t3_n60000.out: a summary of ab, 1 stated",
            "pgbench_transaction.log: transactions of pgbench (-l), 600 calls",
            "redis_benchmark_csv_c50.out: CSV of redis-benchmark, 20 stated",
        ] == result.output.splitlines()[:3]
        assert [("imported",)] == asked(folders, "select distinct stack from baselines")
        assert [(600, 2, "pgbench", True)] == asked(
            folders, "select n, users, instrument, valid from percentiles"
        )
        assert [(22,)] == asked(folders, "select count(*) from stated")
        assert [("ab_t3_n60000.out", 22_000_000)] == asked(
            folders,
            "select map_extract(about, 'file')[1], latencies_ns[list_position(shares, 0.66)] from stated where instrument = 'ab'",
        )

    def test_is_never_shown_among_what_was_measured(self, folders: Folders) -> None:
        """Neither `current` nor the newest report knows of it."""
        imported("pgbench_transaction.log")
        report = CliRunner().invoke(main, ["report"])

        assert [] == asked(folders, "from current")
        assert "the warehouse holds none" in report.output

    def test_the_same_contents_are_taken_once(self, folders: Folders, tmp_path: Path) -> None:
        """A file that was imported before, under whatever name, says so and adds nothing."""
        copy = tmp_path / "renamed.out"
        copy.write_bytes((OUTPUTS / "wrk_latency.out").read_bytes())
        imported("wrk_latency.out")
        again = imported(copy)

        assert "renamed.out: a summary of wrk, 1 stated; imported before, nothing taken\n" == again.output
        assert [(1,)] == asked(folders, "select count(*) from baselines")

    def test_one_bad_file_and_nothing_is_taken(self, folders: Folders, tmp_path: Path) -> None:
        """All of them or none: the error names file and line, and there is no baseline."""
        cut = tmp_path / "cut.log"
        cut.write_bytes((OUTPUTS / "h2load_requests.log").read_bytes()[:1000])
        result = imported("wrk_latency.out", cut)

        assert 1 == result.exit_code
        assert f"devperf: {cut}, line " in result.output
        assert not folders.samples.exists()

    def test_runs_of_one_benchmark_are_its_rounds(self, folders: Folders) -> None:
        """Two outputs of the same test are rounds 1 and 2 of one benchmark."""
        imported("pgbench_tpcb_c10_j2.out", "pgbench_tpcb_seed_c10_j4_t1000.out")

        assert [
            ("postgresql/tpc-b/closed-10/pgbench", 1),
            ("postgresql/tpc-b/closed-10/pgbench", 2),
        ] == asked(folders, "select benchmark, round from stated order by all")
