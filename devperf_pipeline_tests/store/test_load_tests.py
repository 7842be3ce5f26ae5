from array import array
from collections.abc import Callable
from typing import Any

import pytest

from devperf_pipeline.model import Baseline, Benchmark, Load, Outcome, Round, SustainedLoad
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.warehouse import query

MakeRound = Callable[..., Round]
Measure = Callable[..., Baseline]

DRIVEN = SustainedLoad(limit_calls=60_000, limit_s=2.0, engine_processes=2, client_share=0.95, idle_cores=0.1)


@pytest.fixture(name="sustained")
def _sustained(make_round: MakeRound) -> MakeRound:
    """Make a window of so many users: by default 100 calls of 1 to 100 µs, as many at once as there are users."""

    def make(users: int = 1, **values: Any) -> Round:
        benchmark = Benchmark("redis", "get-hit", Load(users, sustained=True), "engine")
        return make_round(**{"benchmark": benchmark, "sustained": DRIVEN, **values})

    return make


def asked(folders: Folders, statement: str) -> list[Any]:
    warehouse.build(folders)
    with warehouse.connect(folders) as con:
        return con.execute(statement).fetchall()


class TestLoadTests:
    def test_has_the_published_ladder(self, folders: Folders, measure: Measure, sustained: MakeRound) -> None:
        """Percentiles are those of nearest rank over all calls: of 1, 2, … 100 µs the 66th is 66 µs."""
        measure([sustained()])
        [found] = asked(
            folders,
            "select p50_ns, p66_ns, p75_ns, p80_ns, p90_ns, p95_ns, p98_ns, p99_ns, max_ns from load_tests",
        )

        assert tuple(1000 * rank for rank in (50, 66, 75, 80, 90, 95, 98, 99, 100)) == found

    def test_says_how_it_was_driven(self, folders: Folders, measure: Measure, sustained: MakeRound) -> None:
        """Limits, what was done within them, and what the client used are in the row."""
        measure([sustained()])
        [found] = asked(
            folders,
            "select users, limit_calls, limit_s, elapsed_ns, n, failed, non_success, mean_across_users_ns, "
            "client_share, engine_processes, idle_cores, at_limit, valid from load_tests",
        )
        elapsed_ns = sustained().elapsed_ns

        assert (1, 60_000, 2.0, elapsed_ns, 100, 0, 0, elapsed_ns / 100, 0.95, 2, 0.1, True, True) == found

    def test_degraded_answers_are_told_from_when_on(
        self, folders: Folders, measure: Measure, sustained: MakeRound
    ) -> None:
        """Where the service begins to say that it is not well, the row is not valid and has the moment, in both tables."""
        outcome = array("b", [Outcome.OK] * 60 + [Outcome.DEGRADED] * 40)
        latency_ns = [50_000_000] * 100
        measure([sustained(latency_ns=latency_ns, outcome=outcome)])
        found = asked(
            folders,
            "select l.valid, l.failed, l.non_success, round(l.degraded_from_s, 2), l.invalid_reason, p.invalid_reason "
            "from load_tests as l join percentiles as p using (baseline_id, benchmark)",
        )
        reason = "40 of 100 calls were answered with success by a service that says it is not well, from second 3.1 on"

        assert [(False, 40, 0, 3.05, reason, reason)] == found

    @pytest.mark.parametrize(
        ("outcome", "reason"),
        [
            (
                Outcome.LIMITED,
                "100 of 100 calls were answered by a rate limit (429, or 503 with Retry-After)",
            ),
            (Outcome.REDIRECTED, "100 of 100 calls were redirected elsewhere"),
            (Outcome.ERROR, "100 of 100 calls failed: 100 answered with an error"),
        ],
    )
    def test_answers_that_are_no_success_are_counted_and_never_fast(
        self, folders: Folders, measure: Measure, sustained: MakeRound, outcome: Outcome, reason: str
    ) -> None:
        """A row made of rate limits, redirects or errors is not valid, says why, and has no throughput."""
        measure([sustained(outcome=array("b", [outcome] * 100))])
        found = asked(
            folders, "select valid, invalid_reason, failed, non_success, throughput_per_s from load_tests"
        )

        assert [(False, reason, 100, 100, 0.0)] == found

    def test_cached_answers_are_never_fast(
        self, folders: Folders, measure: Measure, sustained: MakeRound
    ) -> None:
        """What sampled answers showed of a cache makes the row not valid, with that reason."""
        problem = "a sampled answer was wrong: expected the API to answer, found a cache's answer (age: 3)"
        measure([sustained(problem=problem)])

        assert [(False, f"1 of 1 rounds had a problem: {problem}")] == asked(
            folders, "select valid, invalid_reason from load_tests"
        )

    def test_users_who_were_not_let_in_have_a_row(
        self, folders: Folders, measure: Measure, sustained: MakeRound
    ) -> None:
        """A window without a call is a row that says why there was none."""
        measure([sustained(users=200, latency_ns=[], elapsed_ns=0, problem="ServiceRefused: too many users")])
        found = asked(folders, "select users, n, p66_ns, valid, invalid_reason from load_tests")

        assert [(200, 0, None, False, "no call was made: ServiceRefused: too many users")] == found

    def test_stays_out_of_what_is_said_of_interleaved_rounds(
        self, folders: Folders, measure: Measure, make_round: MakeRound, sustained: MakeRound
    ) -> None:
        """`current` and the rows of the report have the interleaved benchmark alone; every call is in `samples`."""
        baseline = measure([make_round(), sustained()])
        warehouse.build(folders)
        with warehouse.connect(folders) as con:
            reported = [row["benchmark"] for row in query(con, "report_rows", baseline_id=baseline.id)]
            current = con.execute("select benchmark from current").fetchall()
            samples = con.execute("select count(*) from samples").fetchone()

        assert ["redis/get-hit/closed-1/engine"] == reported
        assert [("redis/get-hit/closed-1/engine",)] == current
        assert (200,) == samples

    def test_baselines_without_sustained_loads_have_none(
        self, folders: Folders, measure: Measure, make_round: MakeRound
    ) -> None:
        """A baseline that was measured without them, or before there were any, is read as before."""
        measure([make_round()])

        assert [(0, 0, 1)] == asked(
            folders,
            "select (select count(*) from load_tests), (select count(*) from knees), (select count(*) from percentiles)",
        )


class TestKnees:
    def test_is_seen_in_valid_rows_only(
        self, folders: Folders, measure: Measure, sustained: MakeRound
    ) -> None:
        """A number of users whose row is not valid has no part in the knee, and is named."""

        def window(users: int, elapsed_ns: int, **values: Any) -> Round:
            # Latencies as that many users wait: Little's law is a rule of validity.
            latency_ns = [users * elapsed_ns // 1000] * 1000
            driven = SustainedLoad(limit_calls=1000, limit_s=1)
            return sustained(users, latency_ns=latency_ns, elapsed_ns=elapsed_ns, sustained=driven, **values)

        measure(
            [
                window(1, 1_000_000_000),
                window(2, 500_000_000),
                window(5, 490_000_000),
                window(10, 100_000_000, outcome=array("b", [Outcome.LIMITED] * 1000)),
            ]
        )
        [found] = asked(
            folders, "select service, operation, knee_users, knee_throughput_per_s, reason from knees"
        )

        assert ("redis", "get-hit", 2, 2000.0) == found[:4]
        assert found[4].endswith("(not valid: 10 users)")
