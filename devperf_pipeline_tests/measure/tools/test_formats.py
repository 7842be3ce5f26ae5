import random
from pathlib import Path

import pytest

from devperf_pipeline.errors import ForeignResults
from devperf_pipeline.measure.tools.formats import FORMATS, read, recognised
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import Outcome

OUTPUTS = Path(__file__).with_name("outputs")

TAKEN_FOR = {
    "ab_404.out": "a summary of ab",
    "ab_c100_keepalive_http10_uvicorn.out": "a summary of ab",
    "ab_c100_nokeepalive.out": "a summary of ab",
    "ab_keepalive_nginx.out": "a summary of ab",
    "ab_t3_n60000.out": "a summary of ab",
    "ab_gnuplot.tsv": "times of ab (-g)",
    "ab_percentiles.csv": "percentiles of ab (-e)",
    "autocannon_json.out": "JSON of autocannon",
    "autocannon_rate_json.out": "JSON of autocannon",
    "h2load_h1.out": "a summary of h2load",
    "h2load_requests.log": "calls of h2load (--log-file)",
    "hey_csv.out": "calls of hey (-o csv)",
    "mysqlslap_csv.out": "CSV of mysqlslap",
    "pgbench_aggregate.log": "sums of pgbench (--aggregate-interval)",
    "pgbench_aggregate.out": "a summary of pgbench",
    "pgbench_custom_select_log.out": "a summary of pgbench",
    "pgbench_pgbouncer_prepared.out": "a summary of pgbench",
    "pgbench_pgbouncer_simple.out": "a summary of pgbench",
    "pgbench_rate_limited_log.out": "a summary of pgbench",
    "pgbench_rate_transaction.log": "transactions of pgbench (-l)",
    "pgbench_tpcb_c10_j2.out": "a summary of pgbench",
    "pgbench_tpcb_c10_progress_rates.out": "a summary of pgbench",
    "pgbench_tpcb_seed_c10_j4_t1000.out": "a summary of pgbench",
    "pgbench_transaction.log": "transactions of pgbench (-l)",
    "redis_benchmark_cluster_csv.out": "CSV of redis-benchmark",
    "redis_benchmark_csv_c1.out": "CSV of redis-benchmark",
    "redis_benchmark_csv_c50.out": "CSV of redis-benchmark",
    "redis_benchmark_custom_csv.out": "CSV of redis-benchmark",
    "redis_benchmark_full_get.out": "distributions of redis-benchmark",
    "redis_benchmark_q.out": "lines of redis-benchmark (-q)",
    "sysbench_point_select_hist.out": "a summary of sysbench",
    "wrk_404.out": "a summary of wrk",
    "wrk_latency.out": "a summary of wrk",
    "wrk_lua_json.out": "a summary of wrk",
}

REFUSED = {
    "ab_connrefused.err": "line 1: expected a run that ended, found ab without a server that answered",
    "ab_connrefused.out": 'ab_connrefused.out, line 5: expected "Concurrency Level:"',
    "hey_summary.out": "hey_summary.out, line 7: expected calls of hey, found its summary, which rounds",
    "mysqlslap_text.out": "line 2: expected CSV of mysqlslap, found its text. Run mysqlslap with --csv.",
    "pg_test_fsync.out": "line 1: expected one of",
    "pgbench_failure_badport.err": 'line 1: expected a run that ended, found pgbench: error: connection to server at "127.0.0.1", port 1 failed',
    "pgbench_init.err": "line 1: expected one of",
    "pgbench_pgbouncer_prepared.err": 'prepared statement "P_0" already exists',
    "redis_benchmark_connrefused_hangs.err": "line 1: expected a run that ended, found redis-benchmark without a Redis",
    "sysbench_custom_json.out": 'expected "total number of events:", found the end of the text',
}


def results(name: str) -> list[Result]:
    text, _ = read(OUTPUTS / name)
    return recognised(text).results(text)


def only(name: str) -> Result:
    [result] = results(name)
    return result


class TestRecognised:
    def test_every_output_is_judged(self) -> None:
        """Each file beside this test is either taken or refused."""
        assert sorted(path.name for path in OUTPUTS.iterdir()) == sorted([*TAKEN_FOR, *REFUSED])

    @pytest.mark.parametrize("name", TAKEN_FOR)
    def test_real_outputs(self, name: str) -> None:
        """A real output is recognised as what it is, by one format alone, and says something."""
        text, _ = read(OUTPUTS / name)

        assert [TAKEN_FOR[name]] == [form.title for form in FORMATS if form.mine(text)]
        assert recognised(text).results(text)

    @pytest.mark.parametrize("name", REFUSED)
    def test_what_holds_no_result_is_refused(self, name: str) -> None:
        """An output without a result is an error that names the file, the line and what was expected."""
        with pytest.raises(ForeignResults) as error:
            results(name)

        assert REFUSED[name] in str(error.value)


class TestFigures:
    def test_ab(self) -> None:
        """The ladder of the published load tests, throughput, both counts of failures, and whether connections were kept."""
        result = only("ab_c100_keepalive_http10_uvicorn.out")
        ladder = [22, 23, 23, 23, 24, 25, 26, 27, 28]

        assert (100, 2000, 0, 444_000_000) == (result.users, result.n, result.errors, result.elapsed_ns)
        assert (4499.60, 22_224_000) == (result.throughput_per_s, result.mean_ns)
        assert [step * 1_000_000 for step in ladder] == list(result.quantiles.values())
        assert "0 of 2000" == result.about["kept connections"]

    def test_answers_that_are_no_success_are_no_result(self) -> None:
        """What ab calls 200 answers of 404 ("Failed requests: 0") are errors and the reason not to believe the run."""
        assert (200, "200 of 200 answers were no success (not 2xx)") == (
            only("ab_404.out").errors,
            only("ab_404.out").problem,
        )
        assert "37,382 of 37,382 answers were no success (not 2xx or 3xx)" == only("wrk_404.out").problem

    def test_answers_of_another_length_are_no_failures(self) -> None:
        """A body that is longer than the first one is "failed" to ab; it is told, and no error."""
        whole = (OUTPUTS / "ab_t3_n60000.out").read_text()
        counted = "Failed requests:        12\n   (Connect: 0, Receive: 2, Length: 10, Exceptions: 0)\n"
        text = Text("ab", whole.replace("Failed requests:        0\n", counted))
        result = recognised(text).results(text)[0]

        assert (2, "12", "10") == (
            result.errors,
            result.about["failed"],
            result.about["answers of another length"],
        )

    def test_wrk(self) -> None:
        """Users, calls, and its four percentiles in nanoseconds."""
        result = only("wrk_latency.out")

        assert (10, 26475, 2_100_000_000) == (result.users, result.n, result.elapsed_ns)
        assert {0.5: 695_000, 0.75: 733_000, 0.9: 1_360_000, 0.99: 1_600_000} == result.quantiles

    def test_h2load_log(self) -> None:
        """Every call with its begin, in the order of their ends; users are those in flight at once."""
        result = only("h2load_requests.log")
        assert result.calls is not None
        ends = [b + d for b, d in zip(result.calls.begin_ns, result.calls.latency_ns, strict=True)]

        assert (300, 10, 0) == (result.n, result.users, result.errors)
        assert (1_795_477_982_285_587_000, 0) == (result.calls.began_at_ns, min(result.calls.begin_ns))
        assert sorted(ends) == ends
        assert result.calls.elapsed_ns == ends[-1]

    def test_pgbench_log(self) -> None:
        """Every transaction, in nanoseconds from microseconds, and as many users as there were clients."""
        result = only("pgbench_transaction.log")
        assert result.calls is not None

        assert (600, 2, {Outcome.OK}) == (result.n, result.users, set(result.calls.outcome))
        assert 1_158_000 in result.calls.latency_ns

    def test_pgbench_failed_transactions_are_errors(self) -> None:
        """A transaction that failed is kept as an error and has no latency of its own."""
        text = Text("log", "0 1 500 0 1795478196 236406\n0 2 failed 0 1795478196 236749\n")
        result = recognised(text).results(text)[0]

        assert (2, 1) == (result.n, result.errors)

    def test_pgbench_summary_states_its_conditions(self) -> None:
        """Scale, threads and mode stand beside the figures."""
        result = only("pgbench_tpcb_seed_c10_j4_t1000.out")

        assert ("TPC-B", 10, 10_000, 10_239_000) == (result.title, result.users, result.n, result.mean_ns)
        assert {"scale": "1", "threads": "4", "query mode": "simple"}.items() <= result.about.items()

    def test_pgbench_that_lost_clients_is_not_believed(self) -> None:
        """213 of 2,000 transactions is no result, though it prints a rate."""
        assert (
            "clients gave up: 213 of 2,000 transactions were processed"
            == only("pgbench_pgbouncer_prepared.out").problem
        )

    @pytest.mark.parametrize(
        "name", ["pgbench_rate_limited_log.out", "pgbench_rate_transaction.log", "autocannon_rate_json.out"]
    )
    def test_fixed_rates_are_no_closed_load(self, name: str) -> None:
        """A run at a fixed rate is not taken for one of users who wait."""
        assert "driven at a fixed rate, which is no closed load" == only(name).problem

    def test_redis_benchmark(self) -> None:
        """One result a line, in each of its forms."""
        block = results("redis_benchmark_csv_c50.out")
        short = results("redis_benchmark_q.out")
        full = only("redis_benchmark_full_get.out")

        assert ["PING_INLINE", "PING_MBULK", "SET", "GET"] == [one.title for one in block[:4]]
        assert (47732.70, 692_000, 319_000) == (
            block[0].throughput_per_s,
            block[0].mean_ns,
            block[0].quantiles[0.5],
        )
        assert [one.title for one in block] == [one.title for one in short]
        assert (59701.49, 543_000) == (short[0].throughput_per_s, short[0].quantiles[0.5])
        assert ("GET", 50, 20_000, 303_000) == (full.title, full.users, full.n, full.quantiles[0.5])
        assert "3 nodes" == results("redis_benchmark_cluster_csv.out")[0].about["cluster"]

    def test_sysbench(self) -> None:
        """Percentiles come from the histogram; the one that sysbench prints itself lies in the same step."""
        result = only("sysbench_point_select_hist.out")

        assert (4, 131_762, 3_003_100_000) == (result.users, result.n, result.elapsed_ns)
        assert abs(result.quantiles[0.95] - 140_000) < 5_000

    def test_foreign_tools(self) -> None:
        """Hey tells of every call, autocannon of percentiles, mysqlslap of the time of all."""
        assert (300, 300) == (only("hey_csv.out").n, len(only("hey_csv.out").calls.latency_ns))  # type: ignore[union-attr]
        assert (23_570, 2_000_000) == (
            only("autocannon_json.out").n,
            only("autocannon_json.out").quantiles[0.99],
        )
        assert (10, 5_000, 153_000_000) == (
            only("mysqlslap_csv.out").users,
            only("mysqlslap_csv.out").n,
            only("mysqlslap_csv.out").elapsed_ns,
        )


class TestHostile:
    @pytest.mark.parametrize("name", TAKEN_FOR)
    def test_truncated_and_mangled(self, name: str) -> None:
        """Whatever is cut off or changed in a file ends in a result or in our error, never in another one."""
        whole = (OUTPUTS / name).read_text()
        rng = random.Random(name)  # noqa: S311 - a repeatable choice, not a secret
        for _ in range(60):
            at = rng.randrange(len(whole))
            junk = rng.choice(["", "\x1b[31m", "-1", "1e999", "nan", "9" * 30, ",", "\t", "{", "\r", "é"])
            text = Text(
                "hostile", whole[:at] + junk + (whole[at + rng.randrange(5) :] if rng.random() < 0.6 else "")
            )
            try:
                found = recognised(text).results(text)
            except ForeignResults as error:
                assert "hostile, line " in str(error)  # noqa: PT017 - either ending is right
            else:
                assert all(0 <= value < 2**53 for one in found for value in one.quantiles.values())
                assert all(one.title.isprintable() for one in found)

    @pytest.mark.parametrize("name", ["h2load_requests.log", "pgbench_transaction.log", "hey_csv.out"])
    def test_a_broken_line_is_named(self, name: str) -> None:
        """One line that is cut short costs the file, and the message says which line."""
        lines = (OUTPUTS / name).read_text().split("\n")
        lines[7] = lines[7][:9]
        text = Text("calls", "\n".join(lines))

        with pytest.raises(ForeignResults, match=r"calls, line 8: expected"):
            recognised(text).results(text)

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "line 1: expected one of"),
            (b"This is ApacheBench\n\0\0", "line 2: expected text, found the byte 0x00"),
            (b"one\ntwo\n\xff\xfe", "line 3: expected text, found the byte 0xff"),
        ],
    )
    def test_what_is_no_text(self, tmp_path: Path, data: bytes, said: str) -> None:
        """An empty file and bytes that are no text are refused by file and line."""
        file = tmp_path / "some.out"
        file.write_bytes(data)

        with pytest.raises(ForeignResults) as error:
            recognised(read(file)[0])
        assert said in str(error.value)
        assert str(file) in str(error.value)
