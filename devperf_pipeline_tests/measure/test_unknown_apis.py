from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devperf_pipeline.measure.plan import RunOptions
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.model import Baseline, Outcome, ResourceReading, Round, Service, Stack, Stated
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore
from devperf_pipeline.store.validity import Evidence, why_invalid
from devperf_pipeline_tests.services.fake_apis import (
    Api,
    LimitingEach,
    Reply,
    Request,
    caching,
    foreign_api,
    limiting,
    serving,
)

LIMITED: Reply = (429, {}, {"error": "Rate limit exceeded: 100 per 1 minute"})

PROFILE = Profile(name="tiny", rounds=2, seconds=0.1, warmup_s=0.1, about="for a test")


@dataclass(slots=True)
class Kept:
    """Rounds, as a store would have them."""

    rounds: list[Round] = field(default_factory=list[Round])

    def begin(self, baseline: Baseline) -> None:
        pass

    def keep(self, measured: Round) -> None:
        self.rounds.append(measured)

    def keep_resources(self, readings: Sequence[ResourceReading]) -> None: ...

    def keep_stated(self, stated: Stated) -> None: ...

    def finish(self, baseline: Baseline) -> None:
        pass


def judged(api: Api, profile: Profile = PROFILE) -> tuple[dict[str, str | None], Baseline]:
    """Why each measured row of an API is no row, and the baseline as it ended."""
    kept = Kept()
    with serving(api) as address:
        service = Service(name="gin", kind="gin", addresses=(address,))
        stack = Stack(name="odd", path=Path("odd.toml"), managed=False, services=(service,))
        baseline = measure(RunContext(stack=stack, sink=kept), RunOptions(profile=profile, seed=1))
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
    def test_one_that_tells_its_time_is_measured_at_its_pace(self) -> None:
        """Every row of an API that lets 40 calls through in 2 s has enough calls, of which not one is refused."""
        api = LimitingEach(foreign_api, allowed=40, seconds=2)
        reasons, baseline = judged(api, replace(PROFILE, rounds=5))

        assert 0 == api.refused
        assert [] == [why for why in reasons.values() if "rate limit" in str(why) or "too few" in str(why)]
        assert {"gin/get-health/closed-1/engine", "gin/get-root/closed-1/engine"} <= reasons.keys()
        assert "a rate limit allows 40 calls in 2 s" in baseline.reasons["gin"]

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
        reasons, _ = judged(limiting(foreign_api, 100, refusal))

        assert len(reasons) >= 8
        assert [] == [name for name, why in reasons.items() if why is None]
        assert any("Rate limit exceeded: 100 per 1 minute" in str(why) for why in reasons.values())


class TestCached:
    def test_no_row_of_a_silent_cache_is_measured(self) -> None:
        """What stands still in a cached answer is the reason that there is no row, and other routes have theirs."""
        reasons, baseline = judged(caching(foreign_api, key=lambda request: request.path))

        assert [] == [name for name in reasons if name.startswith("gin/get-health/")]
        assert "GET /health: a cache seems to answer (timestamp was" in baseline.reasons["gin"]


class TestLoaded:
    """Sustained loads of the same APIs, as they stand in the tables."""

    def test_a_limit_gives_no_valid_row_and_no_rank(self, tmp_path: Path) -> None:
        """Refusals that come in no time are no load test."""
        rows, ranks, said = swept(limiting(whole, 100, LIMITED), tmp_path)

        assert [] == [row for row in rows if row[0]]
        assert [] == ranks
        assert "429" in said or all("429" in str(why) for _, why in rows), (said, rows)

    def test_a_limit_that_is_met_under_load(self, tmp_path: Path) -> None:
        """From the window on in which the limit is met no row is valid, and their reasons say what was answered."""
        rows, _, _ = swept(limiting(whole, 1_000, LIMITED), tmp_path)
        refused = [why for valid, why in rows if not valid]

        assert refused
        assert [False] * len(refused) == [valid for valid, _ in rows[-len(refused) :]]
        assert all("Rate limit exceeded" in str(why) for why in refused), refused

    def test_a_cache_gives_no_valid_row_and_no_rank(self, tmp_path: Path) -> None:
        """What stands still for 30 s is nobody's load test, and the reason is what was seen."""
        rows, ranks, said = swept(caching(whole, key=lambda request: request.path), tmp_path)

        assert [] == [row for row in rows if row[0]]
        assert [] == ranks
        assert "GET /health/all: a cache seems to answer (timestamp was" in said


def whole(request: Request) -> Reply:
    """A foreign API that has the route of the load tests, too."""
    if request.path == "/health/all":
        return 200, {}, {"status": "healthy", "dependencies": {}, "timestamp": datetime.now(UTC).isoformat()}
    return foreign_api(request)


def swept(api: Api, folder: Path) -> tuple[list[tuple[bool, str | None]], list[tuple[object, ...]], str]:
    """Whether each load test of an API is valid, and why not; the places of its load test; what was said of the service."""
    folders = Folders(folder)
    store = SampleStore(folders)
    store.check_writable()
    with serving(api) as address:
        service = Service(name="gin", kind="gin", addresses=(address,))
        stack = Stack(name="odd", path=Path("odd.toml"), managed=False, services=(service,))
        options = RunOptions(profile=PROFILE, stages={"load_tests": ()}, seed=1)
        baseline = measure(RunContext(stack=stack, sink=store), options)
    warehouse.build(folders)
    with warehouse.connect(folders) as con:
        rows = con.execute("select valid, invalid_reason from load_tests order by users").fetchall()
        ranks = con.execute(
            "from ranking('/health/all', with_users := 100) where rank is not null"
        ).fetchall()
    return rows, ranks, baseline.reasons.get("gin", "")
