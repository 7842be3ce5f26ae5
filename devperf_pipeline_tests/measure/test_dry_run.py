import pickle
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from devperf_pipeline.measure import dry_run
from devperf_pipeline.measure.dry_run import Foreseen, Swept, foresee
from devperf_pipeline.measure.plan import PROFILES, Profile
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.run import RunOptions, measure
from devperf_pipeline.measure.tools.dry_run import ToolsAsked, foreseen
from devperf_pipeline.model import Address, Service, Stack, Stated
from devperf_pipeline.report.dry_run import foresight as told
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.cleanup import clean
from devperf_pipeline_tests.measure.fake_service import FakeSession
from devperf_pipeline_tests.measure.measure_until_killed import Nowhere
from devperf_pipeline_tests.measure.server_objects import listed, unannounced, unmade
from devperf_pipeline_tests.services.fake_apis import Reply, Request, serving

SHORT = RunOptions(
    profile=Profile(name="quick", rounds=1, seconds=0.02, warmup_s=0.02, about="short"), seed=7
)
ROOT = Path(__file__).parents[2]


class FakeKind:
    """Opens the same session whenever it is asked."""

    role = "service"
    tools = ()

    def __init__(self, session: FakeSession) -> None:
        self.session = session

    def open_session(self, _service: Service) -> FakeSession:
        return self.session


class Listing(Nowhere):
    """Keeps what is in a stack each time that a tool tells of a run."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.seen: set[str] = set()

    def keep_stated(self, stated: Stated) -> None:
        self.seen |= listed(self.stack)


class TestForesee:
    def test_counts_and_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Benchmarks with their seconds, and the service that is missing with its reason; nothing is prepared."""
        here = Address("127.0.0.1", 1)
        services = tuple(Service(name=name, kind="fake", addresses=(here,)) for name in ("lines", "other"))
        stack = Stack(
            name="fake", path=Path("fake.toml"), managed=False, services=services, missing={"other": "no"}
        )
        with FakeSession() as session:
            monkeypatch.setitem(dry_run.CATALOGUE, "fake", FakeKind(session))
            profile, [lines, other] = foresee(stack, replace(SHORT, profile=PROFILES["standard"]))
            history = list(session.history)
        text = told(profile, [lines, other])

        assert ["assume", "close"] == history
        assert ["lines devperf*"] == lines.objects
        assert 5 == len(lines.benchmarks)
        assert {10.0} == {each.measured_s for each in lines.benchmarks}
        assert {None} == {each.most_calls for each in lines.benchmarks}
        assert "no" == other.problem
        assert "5 rounds of 2.00 s for each of 5 benchmarks" in text
        assert "creates and removes: lines devperf*" in text
        assert "would not be measured: no" in text
        assert "20.0 s in which nothing is asked" in text
        assert "load tests" not in text


class TestStages:
    def test_each_is_told(self) -> None:
        """Requests held, points of load tests and tools are told by service, and together with their seconds."""
        gin = Foreseen(
            service="gin",
            held=200,
            swept=Swept(users=(1, 100), measured_s=1.8, longest_s=3.2, most_calls=120_000),
            tools=ToolsAsked(tools=("ab",), measured_s=0.6, most_calls=60_000),
        )
        text = told(PROFILES["quick"], [gin])

        assert "up to 200 requests held open at each API" in text
        assert "load tests, one service at a time (1.80 s, at most 3.20 s)" in text
        assert "reference tools (600 ms and their start-ups)" in text
        assert (
            "load tests of 1, 100 users: 1.8 s measured, 3.2 s at most with warm-up, at most 120,000 calls"
            in text
        )
        assert "tools: ab, in alternation with the engine: about 0.6 s measured, at most 60,000 calls" in text

    def test_tools_without_a_row_are_not_told(self) -> None:
        """Where what the tools would ask of an API is answered wrongly, none is announced; otherwise those that are here."""

        def answering(request: Request) -> Reply:
            return (200, {}, {"up": True}) if request.path == "/health" else (404, {}, {})

        def asked(address: Address, *routes: str) -> ToolsAsked:
            api = Service(name="api", kind="api", addresses=(address,), routes=routes)
            with closing(CATALOGUE["api"].open_session(api)) as session:
                session.assume()
                return foreseen(api, session, managed=False, profile="quick", here={"ab"})

        with serving(answering) as address:
            nothing, something = asked(address, "/gone", "/health"), asked(address, "/health", "/gone")

        assert ToolsAsked() == nothing
        assert (("ab",), True) == (tuple(something.tools), something.measured_s > 0)


@pytest.fixture(name="stack")
def _stack(running_stack: Stack) -> Stack:
    """One service of each kind that has objects of ours, and one API."""
    apis = [
        service
        for service in running_stack.services
        if CATALOGUE[service.kind].role == "api" and service.name not in running_stack.missing
    ]
    others = [service for service in running_stack.services if CATALOGUE[service.kind].role != "api"]
    return replace(running_stack, services=(*others, *apis[:1]), managed=False)


@pytest.mark.servers
class TestObjects:
    def test_announced_are_those_that_are_made(self, stack: Stack) -> None:
        """A dry run makes nothing; a run makes exactly what the dry run announced, and leaves nothing."""
        before = listed(stack)
        _, foreseen = foresee(stack, SHORT)
        after_dry_run = listed(stack)
        during: set[str] = set()

        def tell(progress: Progress) -> None:
            if progress.done == progress.of:
                during.update(listed(stack))

        baseline = measure(stack, SHORT, host={}, sink=Nowhere(), tell=tell)
        announced = [each for service in foreseen for each in service.objects]

        assert (
            dict.fromkeys(baseline.states, "measured") | dict.fromkeys(stack.missing, "skipped")
            == baseline.states
        )
        assert before == after_dry_run
        assert [] == unannounced(during - before, announced)
        assert [] == unmade(during - before, announced)
        assert before == listed(stack)

    def test_those_of_tools_are_announced(self, stack: Stack) -> None:
        """What reference tools make, and the guest among them, is announced, and gone afterwards."""
        stack = replace(stack, managed=True)
        options = replace(SHORT, stages={"tools": ()})
        before = listed(stack)
        _, foreseen = foresee(stack, options)
        during = Listing(stack)
        measure(stack, options, host={}, sink=during)
        announced = [each for service in foreseen for each in service.objects]
        # Its pops empty the list again before it tells of any line.
        lasting = [
            each
            for service in foreseen
            for each in service.tools.objects
            if not each.startswith("keys mylist")
        ]

        assert {"pgbench", "sysbench", "redis-benchmark", "ab"} <= {
            tool for service in foreseen for tool in service.tools.tools
        }
        assert [] == unannounced(during.seen - before, announced)
        assert [] == unmade(during.seen, lasting)
        assert before == listed(stack)

    def test_what_a_kill_left_can_be_removed(self, stack: Stack) -> None:
        """Killed in the middle of a run, everything of ours stays behind; cleaning removes it and nothing else."""
        before = listed(stack)
        with subprocess.Popen(
            [sys.executable, "-m", "devperf_pipeline_tests.measure.measure_until_killed"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdin
            assert child.stdout
            child.stdin.write(pickle.dumps(stack))
            child.stdin.close()
            rounds = sum(1 for _ in zip(range(40), child.stdout, strict=False))
            child.kill()
        left = listed(stack) - before
        cleaned = dict(clean(stack))

        assert 40 == rounds
        assert {service.name: stack.missing.get(service.name) for service in stack.services} == cleaned
        assert {"schema devperf_postgresql", "database devperf", "vhost devperf"} <= left
        assert before == listed(stack)
