from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from devperf_pipeline.measure.pacing import due, paced, rounds_s, waiting_s
from devperf_pipeline.measure.profile import PROFILES
from devperf_pipeline.measure.speed import UNKNOWN
from devperf_pipeline.measure.steps import BenchmarkStep, benchmark_step
from devperf_pipeline.model import LEAST_CALLS, P95_CALLS, Benchmark, Load
from devperf_pipeline.services.operation import Operation, Pace
from devperf_pipeline_tests.measure.fake_service import FakeSession

QUICK = PROFILES["quick"]


@pytest.fixture(name="asked")
def _asked() -> Any:
    with FakeSession() as session:

        def asked(pace: Pace | None, rows: int) -> list[Any]:
            return [
                (
                    Benchmark("fake", f"row-{number}", Load(1), "engine"),
                    Operation(name=f"row-{number}", title=f"row {number}", pace=pace),
                    session,
                    UNKNOWN,
                )
                for number in range(rows)
            ]

        yield asked


Asking = Callable[[Pace | None, int], list[Any]]


class TestPaced:
    def test_few_rows_have_enough_for_a_p95(self, asked: Asking) -> None:
        """Where the limit lets through what a p95 needs in the time there is, that is made."""
        steps, late = paced(asked(Pace(100, 60), 1), QUICK, besides_s=60)

        assert {} == late
        assert steps[0].rounds * steps[0].paced_calls >= P95_CALLS

    def test_many_rows_have_enough_for_a_median(self, asked: Asking) -> None:
        """Where it does not, every row has as few calls as count, within the time."""
        steps, late = paced(asked(Pace(90, 60), 9), QUICK, besides_s=60)

        assert {} == late
        assert {True} == {LEAST_CALLS < step.rounds * step.paced_calls < P95_CALLS for step in steps}
        assert waiting_s(steps) <= QUICK.longest_s - 60  # type: ignore[operator]

    def test_what_does_not_fit_is_named(self, asked: Asking) -> None:
        """A limit of a few calls an hour leaves rows out, by name, with the limit as the reason."""
        steps, late = paced(asked(Pace(60, 3_600), 5), QUICK, besides_s=60)

        assert [f"row {number}" for number in range(2)] == [step.operation.title for step in steps]
        [(titles, why)] = late["fake"].items()
        assert {"row 2", "row 3", "row 4"} == set(titles.split(", "))
        assert "a rate limit allows 60 calls in 3600 s" in why

    def test_waiting_is_part_of_what_rounds_take(self, asked: Asking) -> None:
        """What steps wait for counts where it is longer than all that is made meanwhile."""
        steps, _ = paced(asked(Pace(90, 60), 9), QUICK, besides_s=60)

        assert waiting_s(steps) == rounds_s(steps) > 60
        assert 0 == waiting_s(steps[:1])


class TestDue:
    def test_others_go_first_while_one_waits(self, asked: Asking) -> None:
        """A step whose limit lets nothing through comes after those that can be made at once."""
        pace = Pace(10, 60, clock=lambda: 0.0)
        pace.note(10)
        waits, free = (step_of(one) for one in (*asked(pace, 1), *asked(None, 1)))

        assert (free, 0.0) == due([waits, free])
        assert (waits, 60.0) == due([waits])


def step_of(one: Any) -> BenchmarkStep:
    benchmark, operation, session, _ = one
    return replace(benchmark_step(benchmark, operation, session, QUICK), paced_calls=5)
