import pytest

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.measure.plan import benchmarks, in_order
from devperf_pipeline.measure.profile import PROFILES, SHORTEST_S, profile_named
from devperf_pipeline.measure.steps import BenchmarkStep, benchmark_step
from devperf_pipeline_tests.measure.fake_service import FakeSession


def steps(session: FakeSession) -> list[BenchmarkStep]:
    return [
        benchmark_step(benchmark, operation, session, PROFILES["quick"])
        for benchmark, operation in benchmarks("fake", session.operations())
    ]


class TestProfiles:
    def test_unknown_profile_names_those_that_exist(self) -> None:
        """A profile that does not exist is answered with those that do, and the nearest."""
        with pytest.raises(ConfigurationError, match=r"quick.*standard.*full.*Found 'quik'.*mean 'quick'"):
            profile_named("quik")

    def test_quick_fits_a_large_stack_into_its_budget(self) -> None:
        """The more benchmarks, the shorter the rounds, down to a bound; a small stack has the profile's own seconds."""
        quick = PROFILES["quick"]

        assert quick.seconds == quick.fitted(10).seconds
        assert quick.seconds > quick.fitted(150).seconds > quick.fitted(200).seconds
        assert SHORTEST_S == quick.fitted(1_000).seconds

    def test_seconds_of_a_round_scale_the_whole_profile(self) -> None:
        """Rounds of a tenth make the warm-up, the load tests and the time at rest a tenth, too, and leave out no point."""
        quick = PROFILES["quick"]
        tenth = quick.scaled(quick.seconds / 10)
        for told, whole in (
            (tenth.seconds, quick.seconds),
            (tenth.warmup_s, quick.warmup_s),
            (tenth.load_test_s, quick.load_test_s),
            (tenth.sweep_s, quick.sweep_s),
            (tenth.idle_s, quick.idle_s),
        ):
            assert whole / 10 == pytest.approx(told)
        assert (None, None, None) == (tenth.budget_s, tenth.longest_s, tenth.sweeps_budget_s)
        assert tenth.rounds == quick.rounds

    def test_full_is_sixty_seconds_a_benchmark_however_many(self) -> None:
        """Only the quick profile has a budget."""
        full = PROFILES["full"].fitted(500)

        assert 60 == full.rounds * full.seconds


class TestBenchmarks:
    def test_engine_measures_one_and_many_users_and_the_driver_one(self) -> None:
        """Each operation is three benchmarks; the floor, which has no user counts, is two."""
        with FakeSession() as session:
            ids = [benchmark.id for benchmark, _ in benchmarks("fake", session.operations())]

        assert [
            "fake/floor/closed-1/engine",
            "fake/floor/closed-1/driver",
            "fake/hello/closed-1/engine",
            "fake/hello/closed-4/engine",
            "fake/hello/closed-1/driver",
        ] == ids


class TestOrder:
    def test_every_benchmark_is_once_in_each_round(self) -> None:
        """A round leaves none out and repeats none."""
        with FakeSession() as session:
            planned = steps(session)

            assert {step.benchmark.id for step in planned} == {
                step.benchmark.id for step in in_order(planned, 7, 1)
            }
            assert len(planned) == len(in_order(planned, 7, 1))

    def test_same_seed_gives_the_same_order(self) -> None:
        """The order of a baseline can be repeated from its seed, whatever order the plan came in."""
        with FakeSession() as session:
            planned = steps(session)

            assert [i.benchmark for i in in_order(planned, 7, 1)] == [
                i.benchmark for i in in_order(planned[::-1], 7, 1)
            ]

    def test_rounds_differ_in_order(self) -> None:
        """Each round is shuffled again."""
        with FakeSession() as session:
            planned = steps(session)
            orders = {tuple(i.benchmark.id for i in in_order(planned, 7, number)) for number in range(8)}

        assert len(orders) > 3
