from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devperf_pipeline.measure.plan import Profile
from devperf_pipeline.measure.sitting import Wishes, measure
from devperf_pipeline.model import Baseline, Outcome, ResourceReading, Round, Service, Stack, Stated
from devperf_pipeline.store.validity import Evidence, why_invalid
from devperf_pipeline_tests.services.odd_apis import Api, Reply, caching, limiting, serving, stranger

PROFILE = Profile(name="tiny", rounds=2, seconds=0.1, warmup_s=0.1, about="for a test")


@dataclass(slots=True)
class Kept:
    """
    Rounds, as a store would have them.
    """

    rounds: list[Round] = field(default_factory=list[Round])

    def begin(self, baseline: Baseline) -> None:
        pass

    def keep(self, measured: Round) -> None:
        self.rounds.append(measured)

    def keep_resources(self, readings: Sequence[ResourceReading]) -> None: ...

    def keep_stated(self, stated: Stated) -> None: ...

    def finish(self, baseline: Baseline) -> None:
        pass


def judged(api: Api) -> tuple[dict[str, str | None], Baseline]:
    """
    Why each measured row of an API is no row, and the baseline as it ended.
    """
    kept = Kept()
    with serving(api) as address:
        service = Service(name="gin", kind="gin", addresses=(address,))
        stack = Stack(name="odd", path=Path("odd.toml"), managed=False, services=(service,))
        baseline = measure(stack, Wishes(profile=PROFILE, seed=1), host={}, keeper=kept)
    rows: dict[str, list[Round]] = defaultdict(list)
    for each in kept.rounds:
        if each.phase == "measured" and each.benchmark.operation != "floor":
            rows[each.benchmark.id].append(each)
    return {name: why_invalid(evidence(rounds)) for name, rounds in rows.items()}, baseline


def evidence(rounds: list[Round]) -> Evidence:
    return Evidence(
        users=rounds[0].benchmark.load.users,
        n=sum(len(each.outcome) for each in rounds),
        elapsed_ns=sum(each.elapsed_ns for each in rounds),
        latency_sum_ns=sum(sum(each.latency_ns) for each in rounds),
        outcomes=Counter(Outcome(outcome) for each in rounds for outcome in each.outcome),
        problems=[each.problem for each in rounds if each.problem],
        placements=sorted({each.placement for each in rounds}),
        rounds=len(rounds),
    )


class TestLimited:
    @pytest.mark.parametrize(
        "refusal",
        [
            (429, {}, {"error": "Rate limit exceeded: 100 per 1 minute"}),
            (503, {"Retry-After": "60"}, {"error": "Rate limit exceeded: 100 per 1 minute"}),
        ],
        ids=["429", "503"],
    )
    def test_no_row_of_a_silent_limit_is_valid(self, refusal: Reply) -> None:
        """An API that answers all but the first hundred calls of a minute in no time is not the fastest of all."""
        reasons, _ = judged(limiting(stranger, 100, refusal))

        assert len(reasons) >= 8
        assert [] == [name for name, why in reasons.items() if why is None]
        assert any("Rate limit exceeded: 100 per 1 minute" in str(why) for why in reasons.values())


class TestCached:
    def test_no_row_of_a_silent_cache_is_measured(self) -> None:
        """What stands still in a cached answer is the reason that there is no row, and other routes have theirs."""
        reasons, baseline = judged(caching(stranger, key=lambda request: request.path))

        assert [] == [name for name in reasons if name.startswith("gin/get-health/")]
        assert "GET /health: a cache seems to answer (timestamp was" in baseline.reasons["gin"]
