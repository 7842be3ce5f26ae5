from collections.abc import Callable
from typing import Any

import pytest

from devperf_pipeline.model import Baseline, Benchmark, Load, Round, Stated
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore

Agree = Callable[..., dict[str, Any]]

ENGINE = Benchmark("gin", "get-health-all", Load(100), "engine")
AB = Benchmark("gin", "get-health-all", Load(100), "ab")
EACH_NS = 100_000


@pytest.fixture(name="agreement")
def _agreement(
    folders: Folders, make_round: Callable[..., Round], make_baseline: Callable[..., Baseline]
) -> Agree:
    """What is said of ab beside three rounds of the engine, which make 10,000 calls a second of 100 µs."""

    def agreement(
        *,
        throughput_per_s: float,
        p50_ns: int,
        problem: str | None = None,
        other_cpu: float = 0.0,
        **about: str,
    ) -> dict[str, Any]:
        store, baseline = SampleStore(folders), make_baseline()
        store.begin(baseline)
        for number in (1, 2, 3):
            spread = EACH_NS + 1_000 * number
            store.keep(
                make_round(
                    number, [spread] * 100, benchmark=ENGINE, elapsed_ns=100 * spread, other_cpu=other_cpu
                )
            )
        store.keep_stated(
            Stated(
                benchmark=AB,
                number=1,
                began_at_ns=baseline.began_at_ns,
                elapsed_ns=10**9,
                n=1_000,
                errors=0,
                throughput_per_s=throughput_per_s,
                mean_ns=p50_ns,
                quantiles={0.5: p50_ns},
                about={key.replace("_", " "): value for key, value in about.items()},
                problem=problem,
            )
        )
        store.finish(baseline)
        warehouse.build(folders)
        con = warehouse.connect(folders)
        try:
            cursor = con.execute("from agreements")
            names = [column[0] for column in cursor.description or ()]
            [row] = cursor.fetchall()
        finally:
            con.close()
        return dict(zip(names, row, strict=True))

    return agreement


class TestAgreements:
    def test_within_spreads(self, agreement: Agree) -> None:
        """A tool inside the engine's range, or 5 % beside it, agrees; the medians of both stand in the row."""
        row = agreement(throughput_per_s=9_500, p50_ns=107_000)

        assert (True, "agree within their spreads") == (row["agrees"], row["says"])
        assert (102_000, 107_000, "ab") == (row["engine_p50_ns"], row["tool_p50_ns"], row["tool"])

    def test_steps_of_a_histogram_are_no_difference(self, agreement: Agree) -> None:
        """A median that is told in whole milliseconds agrees with one that lies in the step."""
        row = agreement(throughput_per_s=9_800, p50_ns=1_000_000, steps="1000000")

        assert row["agrees"]

    def test_one_that_sees_its_end_late_may_have_been_faster(self, agreement: Agree) -> None:
        """A tool that looks every 300 ms whether it has finished may have made its calls in 0.7 s of the second it tells."""
        row = agreement(throughput_per_s=7_000, p50_ns=102_000, looks_every="300000000")

        assert row["agrees"]
        assert row["says"] == (
            "agree as far as can be told: ab sees only every 300 ms whether it has finished, and its run took 1.00 s"
        )

    @pytest.mark.parametrize(
        ("found", "said"),
        [
            (
                {"throughput_per_s": 5_000, "p50_ns": 200_000, "kept_connections": "0 of 1000"},
                "ab speaks HTTP/1.0, and the server closed the connection after each of its calls: 0.51 of the",
            ),
            (
                {"throughput_per_s": 5_000, "p50_ns": 200_000, "client_cpu": "0.97"},
                "ab was at its limit: it used 97 % of a core, and made 0.51 of the engine's throughput",
            ),
            (
                {"throughput_per_s": 20_000, "p50_ns": 50_000, "engine_cpu": "0.99"},
                "the engine was at its limit: it used 99 % of a core, and ab made 2.04 of its throughput",
            ),
            (
                {"throughput_per_s": 20_000, "p50_ns": 50_000, "other_cpu": 0.8},
                "cannot tell: other processes used 80 % of all cores",
            ),
            (
                {"throughput_per_s": 20_000, "p50_ns": 50_000, "engine_cpu": "0.30", "client_cpu": "0.20"},
                (
                    "differ by more than their spreads: ab made 2.04 of the engine's throughput, and its median is 0.49 of the "
                    "engine's; neither was at its limit (20 and 30 % of a core)"
                ),
            ),
            (
                {"throughput_per_s": 7_400, "p50_ns": 69_000, "engine_cpu": "1.00", "client_cpu": "0.84"},
                (
                    "the engine was at its limit: it used 100 % of a core, so calls waited for it; the median of ab is 0.68 of "
                    "its, and its throughput 0.75"
                ),
            ),
            (
                {"throughput_per_s": 12_000, "p50_ns": 180_000, "engine_cpu": "0.40", "client_cpu": "0.95"},
                "ab was at its limit: it used 95 % of a core, so calls waited for it; its median is 1.76 of the engine's",
            ),
            (
                {"throughput_per_s": 7_400, "p50_ns": 102_000, "engine_cpu": "0.99", "client_cpu": "0.60"},
                "its median is 1.00 of the engine's; that one was at its limit does not explain it (60 and 99 % of a core)",
            ),
            (
                {"throughput_per_s": 8_000, "p50_ns": 120_000, "engine_cpu": "0.40", "client_cpu": "0.60"},
                (
                    "cannot tell: one run of ab has no spread; it made 0.82 of the engine's throughput, and its median is 1.18 of "
                    "the engine's; neither was at its limit (60 and 40 % of a core); its run took 1.00 s"
                ),
            ),
            (
                {"throughput_per_s": 4_000, "p50_ns": 102_000, "looks_every": "250000000"},
                "medians agree; ab sees only every 250 ms whether it has finished, too seldom for the throughput of",
            ),
            (
                {
                    "throughput_per_s": 9_800,
                    "p50_ns": 102_000,
                    "problem": "1,000 of 1,000 answers were no success",
                },
                "not comparable: 1,000 of 1,000 answers were no success",
            ),
        ],
    )
    def test_differences_are_explained(self, agreement: Agree, found: dict[str, Any], said: str) -> None:
        """
        Where they differ, the row says who was at the limit and how that is known, or that it is not known;
        whether they agree is not known either where it cannot be told.
        """
        row = agreement(**found)
        untold = said.startswith(("cannot tell", "medians agree;", "not comparable"))

        assert (None if untold else False) is row["agrees"]
        assert said in row["says"]
