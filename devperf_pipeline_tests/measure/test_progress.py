import pytest

from devperf_pipeline.measure.progress import LONGEST_PROBLEM, Progress


class TestProgress:
    @pytest.mark.parametrize(
        ("problem", "ends"),
        [
            (None, "redis/get-hit/closed-1/engine"),
            ("x" * LONGEST_PROBLEM, f"engine  ({'x' * LONGEST_PROBLEM})"),
            ("x" * (LONGEST_PROBLEM + 1), f"engine  ({'x' * (LONGEST_PROBLEM - 1)}…)"),
            ("first\nsecond", "engine  (first)"),
        ],
    )
    def test_a_problem_fits_on_its_line(self, problem: str | None, ends: str) -> None:
        """What is wrong with a round stands behind it on the same line, and a cut is seen as one."""
        line = str(
            Progress(
                benchmark="redis/get-hit/closed-1/engine",
                round_number=1,
                rounds=5,
                done=1,
                of=4,
                left_s=61,
                problem=problem,
            )
        )

        assert line.startswith(" 25 %  round 1 of 5    1 min 01 s to go  redis/")
        assert line.endswith(ends)
        assert "\n" not in line
