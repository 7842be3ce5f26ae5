import pickle
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from devperf_pipeline.measure import in_flight, load_tests
from devperf_pipeline.measure.plan import Plan, RunOptions
from devperf_pipeline.measure.profile import PROFILES, Profile
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.run import dry_run, measure
from devperf_pipeline.measure.run_context import Reporter, RunContext
from devperf_pipeline.measure.steps import InFlightStep, Measurable, SweepStep
from devperf_pipeline.measure.tools import stage
from devperf_pipeline.measure.tools.steps import ToolPlan
from devperf_pipeline.model import Address, Service, Stack, Stated
from devperf_pipeline.report.dry_run import planned
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.whole_stack import clean
from devperf_pipeline_tests.measure.fake_service import FakeSession
from devperf_pipeline_tests.measure.measure_until_killed import Nowhere
from devperf_pipeline_tests.measure.server_objects import listed, unannounced, unmade
from devperf_pipeline_tests.measure.test_run import ListSink
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


class TestPlan:
    def test_counts_and_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Benchmarks with their seconds, and the service that is missing with its reason; nothing is prepared."""
        here = Address("127.0.0.1", 1)
        services = tuple(Service(name=name, kind="fake", addresses=(here,)) for name in ("lines", "other"))
        stack = Stack(
            name="fake", path=Path("fake.toml"), managed=False, services=services, missing={"other": "no"}
        )
        with FakeSession() as session:
            session.unmeasurable["Say goodbye"] = "it never answers"
            monkeypatch.setitem(CATALOGUE, "fake", FakeKind(session))  # type: ignore[arg-type]
            plan = dry_run(stack, replace(SHORT, profile=PROFILES["standard"]))
            history = list(session.history)
        text = planned(plan)

        assert ["assume", "close"] == history
        assert {"lines": ["lines devperf*"]} == plan.objects
        assert 5 == len(plan.samples)
        assert {10.0} == {step.cost.measured_s for step in plan.samples}
        assert {None} == {step.cost.most_calls for step in plan.samples}
        assert {"other": "no"} == plan.problems
        assert "5 rounds of 2.00 s for each of 5 benchmarks" in text
        assert "creates and removes: lines devperf*" in text
        assert "not measured: Say goodbye: it never answers" in text
        assert "would not be measured: no" in text
        assert "in which nothing is asked" not in text
        assert "load tests" not in text

    def test_is_what_a_run_executes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every step that a dry run tells is measured as many times as it says, and nothing else is."""
        service = Service(name="lines", kind="fake", addresses=(Address("127.0.0.1", 1),))
        stack = Stack(name="fake", path=Path("fake.toml"), managed=False, services=(service,))
        options = replace(SHORT, stages={"samples": (), "load_tests": (), "tools": ()})
        sink = ListSink()
        with FakeSession() as told, FakeSession() as measured:
            monkeypatch.setitem(CATALOGUE, "fake", FakeKind(told))  # type: ignore[arg-type]
            plan = dry_run(stack, options)
            monkeypatch.setitem(CATALOGUE, "fake", FakeKind(measured))  # type: ignore[arg-type]
            measure(RunContext(stack=stack, sink=sink), options)
        executed = Counter(one.benchmark.id for one in sink.rounds if one.phase == "measured")

        assert {step.benchmark.id: step.rounds for step in plan.samples} == executed


class TestSlowApi:
    def test_what_has_no_time_is_left_out_of_both(self) -> None:
        """Of an API that answers too slowly for a profile a dry run names what a run then leaves out, and does not make."""

        def answering(request: Request) -> Reply:
            time.sleep(0.1 if request.path == "/slow" else 0)
            return 200, {}, {"path": request.path}

        options = replace(SHORT, profile=replace(SHORT.profile, seconds=0.4, longest_s=1.0))
        sink = ListSink()
        with serving(answering) as address:
            api = Service(name="api", kind="api", addresses=(address,), routes=("/fast", "/slow"))
            stack = Stack(name="shop", path=Path("shop.toml"), managed=False, services=(api,))
            plan = dry_run(stack, options)
            baseline = measure(RunContext(stack=stack, sink=sink), options)
        [(titles, _)] = plan.unmeasurable["api"].items()
        measured = {one.benchmark.id for one in sink.rounds if one.phase == "measured"}

        assert "GET /slow, GET /slow (by the driver)" == titles
        assert baseline.reasons["api"].startswith(f"{titles}: 20 calls of each would take ")
        assert {step.benchmark.id for step in plan.samples} == measured
        assert {"floor", "route-fast"} == {step.operation.name for step in plan.samples}


class TestStages:
    def test_each_is_told(self) -> None:
        """Requests in flight, points of load tests and tools are told by service, and together with their seconds."""
        gin = Service(name="gin", kind="gin", addresses=(Address("127.0.0.1", 1),))
        with FakeSession() as session:
            _, hello = session.operations()
            hello = replace(hello, name="get-root", sustained=True, held=True)
            session.tool_scripts = lambda: {"get-root": "/"}
            one = Measurable(service=gin, session=session, operations=[hello])
            quick = PROFILES["quick"]
            text = planned(
                Plan(
                    profile=quick,
                    seed=1,
                    stages=["resources", "load_tests", "tools"],
                    services=["gin"],
                    in_flight=[
                        step for step in [in_flight.plan(one, quick)] if isinstance(step, InFlightStep)
                    ],
                    sweeps=(sweeps := load_tests.plan([one], replace(quick, sweeps_budget_s=None))),
                    tools=[stage.plan(one, quick, {}, managed=False)],
                    objects={"gin": ()},
                    unmeasurable={"gin": {}},
                )
            )

        assert "5.00 s in which nothing is asked" in text
        assert "up to 200 requests in flight at each API" in text
        longest_s = sweeps[0].cost.longest_s
        assert 5 < longest_s < 10
        assert f"load tests, one service at a time (3.60 s, at most {longest_s:.2f} s)" in text
        assert "reference tools (600 ms and their start-ups)" in text
        assert (
            f"load tests of 1, 2, 5, 10, 20, 50, 100, 200 users: 3.6 s measured, {longest_s:.1f} s at most with warm-up, "
            "at most 480,000 calls" in text
        )
        assert "tools: ab, in alternation with the engine: about 0.6 s measured, at most 60,000 calls" in text

    def test_load_tests_of_which_none_fits_are_not_told(self) -> None:
        """Where every point is left out there is no line about load tests, but why there are none."""
        gin = Service(name="gin", kind="gin", addresses=(Address("127.0.0.1", 1),))
        none = SweepStep(service=gin, points=(), left_out={"sustained load of 100 users": "too slow"})
        text = planned(
            Plan(
                profile=PROFILES["quick"],
                seed=1,
                stages=["load_tests"],
                services=["gin"],
                sweeps=[none],
                objects={"gin": ()},
                unmeasurable={"gin": none.left_out},
            )
        )

        assert "not measured: sustained load of 100 users: too slow" in text
        assert "load tests of" not in text

    def test_a_tool_that_goes_after_the_plan_costs_its_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Removed between plan and run, a tool has rows that say so and how to get it again; the run goes on."""
        gin = Service(name="gin", kind="gin", addresses=(Address("127.0.0.1", 1),))
        stack = Stack(name="fake", path=Path("fake.toml"), managed=False, services=(gin,))
        context = RunContext(stack=stack, sink=(sink := ListSink()))
        context.state.states["gin"] = "measured"
        monkeypatch.setattr(stage, "find_tools", lambda: ({}, {}))
        with FakeSession() as session, closing(context):
            _, hello = session.operations()
            session.tool_scripts = lambda: {"get-root": "/"}
            one = Measurable(service=gin, session=session, operations=[replace(hello, name="get-root")])
            quick = PROFILES["quick"]
            tools = [stage.plan(one, quick, {}, managed=False)]
            stage.run(Plan(profile=quick, seed=1, stages=["tools"], services=["gin"], tools=tools), context)

        assert ["gin/get-root/closed-100/ab"] == [each.benchmark.id for each in sink.stated]
        assert "expected ab, which was here when the run was planned" in (sink.stated[0].problem or "")
        assert [None, None] == [each.problem for each in sink.rounds if each.phase == "measured"]

    def test_tools_without_a_row_are_not_told(self) -> None:
        """Where what the tools would ask of an API is answered wrongly, none is announced; otherwise those that are here."""

        def answering(request: Request) -> Reply:
            return (200, {}, {"up": True}) if request.path == "/health" else (404, {}, {})

        def asked(address: Address, *routes: str) -> ToolPlan:
            api = Service(name="api", kind="api", addresses=(address,), routes=routes)
            with closing(CATALOGUE["api"].open_session(api)) as session:
                session.assume()
                one = Measurable(service=api, session=session, operations=session.operations())
                return stage.plan(one, PROFILES["quick"], {"wrk": "get it"}, managed=False)

        with serving(answering) as address:
            nothing, something = asked(address, "/gone", "/health"), asked(address, "/health", "/gone")

        assert [] == nothing.runs
        assert ["ab"] == [run.benchmark.instrument for run in something.runs]
        assert something.cost.measured_s > 0


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
class TestReferenceApis:
    def test_is_what_a_run_executes(self, running_stack: Stack) -> None:
        """Of real APIs a dry run plans the benchmarks that a run makes, and refuses the routes that it refuses."""
        apis = [one for one in running_stack.services if CATALOGUE[one.kind].role == "api"]
        stack, sink = replace(running_stack, services=tuple(apis), managed=False), ListSink()
        plan = dry_run(stack, SHORT)
        baseline = measure(RunContext(stack=stack, sink=sink), SHORT)
        refused = {
            service: "; ".join(f"{title}: {why}" for title, why in found.items())
            for service, found in plan.unmeasurable.items()
            if found
        }

        assert plan.samples
        assert {step.benchmark.id for step in plan.samples} == {
            one.benchmark.id for one in sink.rounds if one.phase == "measured"
        }
        assert {**refused, **plan.problems} == baseline.reasons


@pytest.mark.servers
class TestObjects:
    def test_announced_are_those_that_are_made(self, stack: Stack) -> None:
        """A dry run makes nothing; a run makes exactly what the dry run announced, and leaves nothing."""
        before = listed(stack)
        plan = dry_run(stack, SHORT)
        after_dry_run = listed(stack)
        during: set[str] = set()

        def tell(progress: Progress) -> None:
            if progress.done == progress.of:
                during.update(listed(stack))

        baseline = measure(RunContext(stack=stack, sink=Nowhere(), reporter=Reporter(progress=tell)), SHORT)
        announced = [name for names in plan.objects.values() for name in names]

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
        plan = dry_run(stack, options)
        during = Listing(stack)
        measure(RunContext(stack=stack, sink=during), options)
        of_tools = [name for each in plan.tools for name in each.objects]
        announced = [*of_tools, *(name for names in plan.objects.values() for name in names)]
        # Its pops empty the list again before it tells of any line.
        lasting = [name for name in of_tools if not name.startswith("keys mylist")]

        assert {"pgbench", "sysbench", "redis-benchmark", "ab"} <= {
            run.benchmark.instrument for each in plan.tools for run in each.runs
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
