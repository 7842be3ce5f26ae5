import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from devperf_pipeline.store.warehouse import connect

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse

Row = dict[str, Any]

NAME = "redis/get/closed-1/engine"
STEADY = 0.005
"""Runs that differ by half a per cent."""

NOISY = 0.1


def around(level_ns: int) -> list[int]:
    """Five rounds within 0.2 % of a level."""
    return [level_ns - 200, level_ns - 100, level_ns, level_ns + 100, level_ns + 200]


@dataclass(frozen=True, slots=True)
class Case:
    """
    One benchmark's rounds in a baseline and in the one before.

    `sd` is by how much that one and seven more before it differ, in logarithms, `drifted` what eleven other benchmarks
    moved by.
    """

    before: Sequence[int]
    now: Sequence[int]
    sd: float | None = None
    drifted: float | None = None


def measured(warehouse: "Warehouse", case: Case, number: int = 0) -> str:
    """Baselines of a stack of its own, as the case has them; the id of the last."""

    def baseline(day: int) -> str:
        return warehouse.baseline(
            day, baseline_id=f"202611{day:02}T031500Z-{number:04x}", stack=f"case-{number}"
        )

    if case.sd is not None:
        step = case.sd * math.sqrt(7 / 6)
        level = sorted(case.before)[len(case.before) // 2]
        for day, steps in enumerate((-1, -1, -1, 0, 1, 1, 1), 1):
            warehouse.measured(baseline(day), "redis", "get", around(round(level * math.exp(steps * step))))
    reference, last = baseline(10), baseline(11)
    warehouse.measured(reference, "redis", "get", case.before)
    warehouse.measured(last, "redis", "get", case.now)
    for other in range(11) if case.drifted else ():
        warehouse.measured(reference, "vault", f"other-{other}", around(100_000))
        warehouse.measured(last, "vault", f"other-{other}", around(round(100_000 * (case.drifted or 1))))
    return last


def compared(warehouse: "Warehouse", case: Case, metric: str = "p50") -> Row:
    """The row of `comparisons` of that case."""
    last = measured(warehouse, case)
    with connect(warehouse.folders) as con:
        found = con.execute(
            "from comparisons where benchmark = $name and metric = $metric and baseline_id = $last",
            {"name": NAME, "metric": metric, "last": last},
        )
        [row] = found.fetchall()
        return dict(zip([column[0] for column in found.description or ()], row, strict=True))


CASES = [
    # Beyond the floor that repeats say, and 5 %.
    ("slower", Case(around(100_000), around(120_000), STEADY)),
    ("faster", Case(around(100_000), around(85_000), STEADY)),
    ("no change", Case(around(100_000), around(101_000), STEADY)),
    ("slower", Case(around(100_000), around(107_500), STEADY)),
    # Where runs of one machine differ by 10 %, another 15 % says nothing.
    ("cannot tell", Case(around(100_000), around(115_000), NOISY)),
    # Without repeats a change must be large and in every one of five rounds.
    ("cannot tell", Case(around(100_000), around(130_000))),
    ("cannot tell", Case(around(100_000), around(100_000))),
    ("slower", Case(around(100_000), around(200_000))),
    ("cannot tell", Case(around(100_000), [99_000, 190_000, 190_000, 190_000, 190_000])),
    # Three rounds lie apart by chance once in ten times; nothing is claimed from them alone.
    ("cannot tell", Case(around(100_000), [200_000] * 3)),
    ("slower", Case(around(100_000), [200_000] * 3, STEADY)),
    ("cannot tell", Case(around(100_000), [200_000] * 2, STEADY)),
    # However alike runs were before, rounds that disagree within this one are not believed.
    ("cannot tell", Case(around(100_000), [80_000, 100_000, 120_000, 140_000, 180_000], STEADY)),
    # What all benchmarks moved by is the machine's; where that is much, nobody who moved with it is blamed.
    ("cannot tell", Case(around(100_000), around(108_000), STEADY, 1.08)),
    ("cannot tell", Case(around(100_000), around(112_000), STEADY, 1.08)),
    ("slower", Case(around(100_000), around(120_000), STEADY, 1.08)),
    ("faster", Case(around(100_000), around(92_000), STEADY, 1.08)),
    ("cannot tell", Case(around(100_000), around(200_000), STEADY, 1.25)),
    ("cannot tell", Case(around(100_000), around(92_000), STEADY, 0.92)),
    ("no change", Case(around(100_000), around(101_000), STEADY, 1.5)),
]


class TestVerdict:
    def test_word(self, warehouse: "Warehouse") -> None:
        """The same rounds, repeats and drift give the same word."""
        ids = [measured(warehouse, case, number) for number, (_, case) in enumerate(CASES)]
        with connect(warehouse.folders) as con:
            question = (
                "select baseline_id, verdict from comparisons where benchmark = $name and metric = 'p50'"
            )
            found = dict(con.execute(question, {"name": NAME}).fetchall())

        assert CASES == [(found[id_], case) for id_, (_, case) in zip(ids, CASES, strict=True)]

    def test_says_how_much_and_what_could_be_seen(self, warehouse: "Warehouse") -> None:
        """A verdict carries both figures, their ratio, the smallest change that could have been told, and of how many."""
        row = compared(warehouse, Case(around(100_000), around(120_000), STEADY))

        assert (100_000, 120_000, 8, 0, False, None) == (
            row["before_ns"], row["now_ns"], row["repeats"], row["missing_repeats"], row["provisional"], row["reason"],
        )  # fmt: skip
        assert row["ratio"] == pytest.approx(1.2)
        assert row["visible"] == pytest.approx(1.05)

    def test_the_floor_of_noisy_repeats_is_wide(self, warehouse: "Warehouse") -> None:
        """The floor is what two runs of that spread differ by, 19 times of 20."""
        row = compared(warehouse, Case(around(100_000), around(115_000), NOISY))

        assert (
            row["visible"] == row["floor"] == pytest.approx(math.exp(2.3646 * math.sqrt(2) * 0.1), rel=1e-3)
        )

    def test_without_repeats_is_provisional(self, warehouse: "Warehouse") -> None:
        """As long as the floor is assumed, a verdict says so."""
        row = compared(warehouse, Case(around(100_000), around(200_000), None))

        assert (1.5, 1, 2, True) == (
            pytest.approx(row["floor"]), row["repeats"], row["missing_repeats"], row["provisional"],
        )  # fmt: skip

    def test_a_tail_is_judged_by_its_best_round(self, warehouse: "Warehouse") -> None:
        """One disturbed round does not make a p95 slower."""
        row = compared(
            warehouse, Case(around(100_000), [100_000, 100_100, 100_200, 100_300, 900_000], STEADY), "p95"
        )

        assert (199_600, 200_000, "cannot tell") == (row["before_ns"], row["now_ns"], row["verdict"])

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (
                {"valid": False, "invalid_reason": "2 answers were wrong"},
                ("invalid", "now: 2 answers were wrong"),
            ),
            ({"valid": False}, ("invalid", "now: no reason was stored")),
            ({"placement": "free"}, ("not comparable", "placed together:1 before, free now")),
            (
                {"other_cpu": 0.9},
                ("cannot tell", "fewer than 3 of its rounds were long and quiet enough now"),
            ),
        ],
    )
    def test_what_is_not_compared(
        self, warehouse: "Warehouse", values: dict[str, Any], expected: tuple[str, str]
    ) -> None:
        """What does not count, is placed otherwise or was disturbed has no ratio, and the reason says on which side."""
        before, now = warehouse.baseline(10), warehouse.baseline(11)
        warehouse.measured(before, "redis", "get", around(100_000))
        warehouse.measured(now, "redis", "get", around(200_000), **values)
        with connect(warehouse.folders) as con:
            rows = con.execute(
                "select distinct verdict, reason, before_ns, now_ns, ratio, floor, visible from comparisons"
            ).fetchall()

        assert [(*expected, *(None,) * 5)] == rows

    @pytest.mark.parametrize(
        ("key", "value", "way"),
        [
            ("tls", "on, the certificate checked", "over TLS"),
            ("connections", "by a unix socket", "by a unix socket"),
        ],
    )
    def test_another_way_there(self, warehouse: "Warehouse", key: str, value: str, way: str) -> None:
        """TLS, and a unix socket, are conditions: what was measured so is not set against what was not."""
        before, now, after = (warehouse.baseline(number) for number in (10, 11, 12))
        for run in (before, now, after):
            warehouse.measured(run, "redis", "get", around(100_000))
        warehouse.fact(before, "redis", "tls", "off")
        warehouse.fact(now, "redis", key, value)
        warehouse.fact(after, "redis", key, value)
        with connect(warehouse.folders) as con:
            asked = "select distinct verdict = 'not comparable', reason from comparisons_of([{before: ?, now: ?}])"
            one, two = (
                con.execute(asked, [old, new]).fetchall() for old, new in ((before, now), (now, after))
            )

        assert [(True, f"reached without TLS before, {way} now")] == one
        assert not any(barred for barred, _ in two)

    def test_too_few_rounds_before(self, warehouse: "Warehouse") -> None:
        """Where fewer than three rounds are left it cannot be told, and the reason says of which side."""
        row = compared(warehouse, Case([100_000, 100_000], around(100_000), STEADY))

        assert ("cannot tell", "fewer than 3 of its rounds were long and quiet enough before") == (
            row["verdict"], row["reason"],
        )  # fmt: skip
