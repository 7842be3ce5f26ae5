import os
from pathlib import Path

import pytest

from devperf_pipeline.local import lifecycle
from devperf_pipeline.measure import run
from devperf_pipeline.measure.collector import Collector, Sampler
from devperf_pipeline.measure.in_flight import USERS
from devperf_pipeline.measure.plan import RunOptions
from devperf_pipeline.measure.profile import PROFILES, Profile
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.measure.tally import Tally
from devperf_pipeline.model import Address, Service, Stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import RESERVED
from devperf_pipeline_tests.measure.fake_service import FakeSession
from devperf_pipeline_tests.measure.test_run import FakeKind, ListSink

SHORT = Profile(
    name="short", rounds=1, seconds=0.02, warmup_s=0.1, about="for tests", idle_s=0.6, reading_s=0.1
)


@pytest.fixture(name="described")
def _described(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack of one service, which this process is."""

    def open_session(_: Service) -> FakeSession:
        return FakeSession()

    monkeypatch.setattr(run, "CATALOGUE", {"fake": FakeKind(open_session)})
    service = Service(name="a", kind="fake", addresses=(Address("127.0.0.1", 9),))
    return Stack(name="test", path=Path("test.toml"), managed=True, services=(service,))


class TestStage:
    def test_everything_is_read_at_rest(self, described: Stack) -> None:
        """The stage keeps readings of the service, the machine and ourselves, and counts those of the service."""
        sink = ListSink()
        tally = Tally(sink)
        measure(
            RunContext(stack=described, sink=tally, processes={"a": [os.getpid()]}),
            RunOptions(profile=SHORT, stages={"resources": ()}),
        )
        covered_ns = sum(one.elapsed_ns for one in sink.readings if one.service == "a")

        assert [] == sink.rounds
        assert {"a", "host", "others", "devperf"} <= {one.service for one in sink.readings}
        assert {"idle"} == {one.phase for one in sink.readings}
        assert sum(one.service == "a" for one in sink.readings) == tally.stages["resources"]["a"]
        assert covered_ns > 0.5e9

    def test_without_the_stage_nothing_is_started(
        self, described: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever measures samples alone has no second process."""
        started: list[Sampler | None] = []
        close = Collector.close

        def closing(collector: Collector) -> None:
            started.append(collector.sampler)
            close(collector)

        monkeypatch.setattr(Collector, "close", closing)
        sink = ListSink()
        measure(RunContext(stack=described, sink=sink), RunOptions(profile=SHORT))

        assert ([], [None]) == (sink.readings, started)


class TestProfiles:
    def test_full_rests_for_a_minute(self) -> None:
        """At least 60 s in full, once a second; shorter ones state theirs."""
        assert [(5.0, 0.25), (20.0, 1.0), (60.0, 1.0)] == [
            (PROFILES[name].idle_s, PROFILES[name].reading_s) for name in ("quick", "standard", "full")
        ]


@pytest.mark.servers
class TestRealStack:
    def test_idle_and_held(self, running_stack: Stack, stack_folders: Folders, tmp_path: Path) -> None:
        """Every node of the stack is read whole at rest, and an API's memory at each number of requests held."""
        sink = ListSink()
        processes = {one.name: lifecycle.processes(stack_folders, one.name) for one in running_stack.services}
        baseline = measure(
            RunContext(stack=running_stack, sink=sink, processes=processes),
            RunOptions(profile=SHORT, services=("gin", "redis_cluster"), stages={"resources": ()}),
        )
        idle = {one.service: one for one in sink.readings if one.phase == "idle"}
        here = {one.name for one in running_stack.services} - running_stack.missing.keys()
        held = {one.users for one in sink.readings if one.phase == "held"}

        assert {"gin": "measured", "redis_cluster": "measured"} == baseline.states
        assert {} == baseline.reasons
        assert here == {name.partition("/")[0] for name in idle} - set(RESERVED)
        assert {"redis_cluster/1", "redis_cluster/2", "redis_cluster/3"} <= idle.keys()
        for name in idle.keys() - set(RESERVED):
            assert (idle[name].pss_bytes or 0) > 0, name
            assert (idle[name].descriptors or 0) > 0, name
        assert set(USERS) == held
