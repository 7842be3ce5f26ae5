from dataclasses import replace

import pytest

from devperf_pipeline.measure.budget import Asked, calls_of_round, fitted
from devperf_pipeline.measure.plan import benchmarks
from devperf_pipeline.measure.profile import PROFILES
from devperf_pipeline.measure.speed import Speed
from devperf_pipeline.measure.steps import BenchmarkStep, together
from devperf_pipeline.model import LEAST_CALLS, P95_CALLS
from devperf_pipeline_tests.measure.fake_service import FakeSession

QUICK = PROFILES["quick"]


def asked(session: FakeSession, *services: str, call_s: float) -> list[Asked]:
    """The benchmarks of `hello` at such services, each call of which takes so long."""
    hello = session.operations()[1]
    return [
        (benchmark, operation, session, Speed(usual_s=call_s))
        for service in services
        for benchmark, operation in benchmarks(service, [replace(hello, users=())])
    ]


def calls(step: BenchmarkStep) -> float:
    """How many calls end in a round: the one under way when its seconds are over, too."""
    return step.calls + 0.5


class TestFitted:
    def test_fast_operations_keep_the_rounds_of_the_profile(self) -> None:
        """Where the profile's seconds have time for enough calls, nothing changes."""
        with FakeSession() as session:
            steps, left_out = fitted(asked(session, "a", call_s=0.001), QUICK, besides_s=100)

        assert {QUICK.seconds} == {step.seconds for step in steps}
        assert {} == left_out

    def test_what_counts_in_the_rounds_of_the_profile_is_never_left_out(self) -> None:
        """With no time left at all, whatever has its fewest calls in those rounds is measured in them."""
        with FakeSession() as session:
            profile = replace(QUICK, longest_s=1.0)
            steps, left_out = fitted(asked(session, "a", call_s=0.02), profile, besides_s=1e6)

        assert {QUICK.seconds} == {step.seconds for step in steps}
        assert {} == left_out

    @pytest.mark.parametrize("call_s", [0.025, 0.2, 1.0])
    def test_slow_operations_get_the_calls_that_they_need(self, call_s: float) -> None:
        """With time enough every round has calls for a median of its own, and all together for a p95."""
        with FakeSession() as session:
            steps, left_out = fitted(asked(session, "a", call_s=call_s), QUICK, besides_s=0)

        assert {} == left_out
        assert all(calls(step) >= LEAST_CALLS - 0.1 for step in steps), steps
        assert all(step.rounds * calls(step) >= P95_CALLS - 0.1 for step in steps), steps

    def test_little_time_is_for_every_benchmark_before_it_is_for_a_p95(self) -> None:
        """Where not all can have a p95, each has as many calls as a row needs, and the whole keeps to its time."""
        profile = replace(QUICK, longest_s=60.0)
        with FakeSession() as session:
            steps, left_out = fitted(asked(session, "a", "b", "c", call_s=0.2), profile, besides_s=10)

        assert {} == left_out
        assert all(step.rounds * calls(step) >= LEAST_CALLS - 0.1 for step in steps), steps
        assert any(step.rounds * calls(step) < P95_CALLS for step in steps), steps
        assert together(step.cost for step in steps).expected_s <= 50

    def test_what_does_not_fit_is_named(self) -> None:
        """What applications feel is left out before what the service does, with what it would take."""
        profile = replace(QUICK, longest_s=80.0)
        with FakeSession() as session:
            steps, left_out = fitted(asked(session, "a", "b", call_s=1.0), profile, besides_s=20)

        assert {"a/hello/closed-1/engine", "b/hello/closed-1/engine"} == {step.benchmark.id for step in steps}
        assert {"a", "b"} == left_out.keys()
        assert ["Say hello (by the driver)"] == [*left_out["a"]]
        assert "does not fit into the 80 s of the profile 'quick'" in str(left_out["a"])

    def test_slow_operations_have_a_share_whatever_else_takes(self) -> None:
        """Where all else takes the time of a profile, the few that answer slowly are measured all the same."""
        with FakeSession() as session:
            steps, left_out = fitted(asked(session, "a", call_s=0.1), QUICK, besides_s=1e6)

        assert 2 == len(steps)
        assert {} == left_out

    def test_profiles_without_a_bound_leave_nothing_out(self) -> None:
        """The longer profiles measure all, however slow."""
        with FakeSession() as session:
            steps, left_out = fitted(asked(session, "a", call_s=2.0), PROFILES["standard"], besides_s=1e6)

        assert 2 == len(steps)
        assert {} == left_out


class TestCallsOfRound:
    @pytest.mark.parametrize("rounds", [1, 3, 5, 7])
    def test_are_enough_over_all_rounds(self, rounds: int) -> None:
        """The fewest calls of all rounds are a row, the next a p95, the last a median of each round as well."""
        fewest, for_p95, for_each = calls_of_round(rounds)

        assert rounds * fewest >= LEAST_CALLS
        assert rounds * for_p95 >= P95_CALLS
        assert for_each >= max(LEAST_CALLS, for_p95)
