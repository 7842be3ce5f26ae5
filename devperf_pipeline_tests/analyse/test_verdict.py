import math
from collections.abc import Sequence
from typing import Any

import pytest

from devperf_pipeline.analyse.verdict import Repeats, Side, beside, judge

STEADY = Repeats(8, 0.005)
"""Eight repeat baselines that differ by half a per cent."""

NONE = Repeats(0, None)


def side(values_ns: Sequence[int], **values: Any) -> Side:
    found: dict[str, Any] = {"valid": True, "invalid_reason": None, "placement": "together:1", "rounds": 5}
    return Side(values_ns=values_ns, **{**found, **values})


def around(level_ns: int) -> Side:
    """Five rounds within 0.2 % of a level."""
    return side([level_ns - 200, level_ns - 100, level_ns, level_ns + 100, level_ns + 200])


class TestChanged:
    @pytest.mark.parametrize(
        ("after_ns", "expected"),
        [(120_000, "slower"), (85_000, "faster"), (101_000, "no change"), (107_500, "slower")],
    )
    def test_a_difference_beyond_the_floor(self, after_ns: int, expected: str) -> None:
        """With repeats that say how far runs differ, a larger difference is a change and a small one is none."""
        assert expected == judge("p50", around(100_000), around(after_ns), STEADY).word

    def test_says_how_much_and_what_could_be_seen(self) -> None:
        """A verdict carries both figures, their ratio and the smallest change that could have been told."""
        verdict = judge("p50", around(100_000), around(120_000), STEADY)

        assert (100_000, 120_000, False) == (verdict.before_ns, verdict.after_ns, verdict.provisional)
        assert verdict.ratio == pytest.approx(1.2)
        assert verdict.visible == pytest.approx(1.05)

    def test_the_floor_of_noisy_repeats_is_wide(self) -> None:
        """Where runs of one machine differ by 10 %, another 15 % says nothing."""
        verdict = judge("p50", around(100_000), around(115_000), Repeats(8, 0.1))

        assert verdict.word == "cannot tell"
        assert verdict.visible == pytest.approx(math.exp(2.3646 * math.sqrt(2) * 0.1), rel=1e-3)

    def test_without_repeats_only_what_is_plain(self) -> None:
        """Without repeat baselines a change must be large and in every round, and stays provisional."""
        assert judge("p50", around(100_000), around(130_000), NONE).word == "cannot tell"
        assert judge("p50", around(100_000), around(100_000), NONE).word == "cannot tell"
        plain = judge("p50", around(100_000), around(200_000), NONE)
        assert ("slower", True) == (plain.word, plain.provisional)

    def test_without_repeats_rounds_must_not_overlap(self) -> None:
        """One round among those of the other side is doubt enough."""
        after = side([99_000, 190_000, 190_000, 190_000, 190_000])

        assert judge("p50", around(100_000), after, NONE).word == "cannot tell"

    def test_without_repeats_three_rounds_are_too_few(self) -> None:
        """Three rounds lie apart by chance once in ten times; nothing is claimed from them alone."""
        few = side([200_000, 200_000, 200_000])

        assert judge("p50", around(100_000), few, NONE).word == "cannot tell"
        assert judge("p50", around(100_000), few, STEADY).word == "slower"

    def test_rounds_that_spread_widen_the_floor(self) -> None:
        """However alike runs were before, rounds that disagree within this one are not believed."""
        after = side([80_000, 100_000, 120_000, 140_000, 180_000])

        assert judge("p50", around(100_000), after, STEADY).word == "cannot tell"

    def test_a_tail_is_judged_by_its_best_round(self) -> None:
        """One disturbed round does not make a p95 slower."""
        after = side([100_000, 100_100, 100_200, 100_300, 900_000])
        verdict = judge("p95", around(100_000), after, STEADY)

        assert (99_800, 100_000) == (verdict.before_ns, verdict.after_ns)
        assert verdict.word == "cannot tell"

    def test_the_same_twice(self) -> None:
        """The same input gives the same verdict."""
        assert judge("p50", around(100_000), around(120_000), STEADY) == judge(
            "p50", around(100_000), around(120_000), STEADY
        )


class TestBeside:
    @pytest.mark.parametrize(
        ("after_ns", "drifted", "expected"),
        [
            (108_000, 1.08, "cannot tell"),
            (112_000, 1.08, "cannot tell"),
            (120_000, 1.08, "slower"),
            (120_000, None, "slower"),
            (92_000, 1.08, "faster"),
            (200_000, 1.25, "cannot tell"),
            (92_000, 0.92, "cannot tell"),
            (101_000, 1.5, "no change"),
        ],
    )
    def test_only_what_is_beyond_all_others_counts(
        self, after_ns: int, drifted: float | None, expected: str
    ) -> None:
        """What all benchmarks moved by is the machine's; where that is much, nobody who moved with it is blamed."""
        verdict = judge("p50", around(100_000), around(after_ns), STEADY)

        assert expected == beside(verdict, drifted).word


class TestNotCompared:
    def test_an_invalid_side(self) -> None:
        """What does not count is not compared, and the reason says on which side."""
        wrong = side([1, 1, 1], valid=False, invalid_reason="2 answers were wrong")
        verdict = judge("p50", around(100_000), wrong, STEADY)

        assert ("invalid", "now: 2 answers were wrong") == (verdict.word, verdict.reason)

    def test_another_placement(self) -> None:
        """Readings of different placements are never compared."""
        free = side([100_000] * 5, placement="free")
        verdict = judge("p50", around(100_000), free, STEADY)

        assert ("not comparable", "placed together:1 before, free now") == (verdict.word, verdict.reason)

    def test_too_few_quiet_rounds(self) -> None:
        """Rounds that others disturbed are left out; where fewer than three are left it cannot be told."""
        verdict = judge("p50", side([100_000, 100_000]), around(100_000), STEADY)

        assert verdict.word == "cannot tell"
        assert verdict.reason == "fewer than 3 of its rounds were long and quiet enough before"
