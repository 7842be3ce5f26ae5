"""What is read of containers is what their engine says, and what happens to them is noticed: with a real engine."""

import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devperf_pipeline.defs.automation import changed_since, fingerprints
from devperf_pipeline.measure.cgroup import cgroup_of
from devperf_pipeline.measure.collector import Sampler
from devperf_pipeline.measure.collector_process import Purpose
from devperf_pipeline.measure.docker import find_engines
from devperf_pipeline.measure.plan import RunOptions
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import Reporter, RunContext
from devperf_pipeline.measure.service_processes import targets
from devperf_pipeline.model import Address, Baseline, ResourceReading, Service, Stack, Stage
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.whole_stack import run_preflight
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore
from devperf_pipeline_tests.containers.conftest import Redis
from devperf_pipeline_tests.containers.container_engine import HERE, NAMES, ContainerEngine, compose

PROFILE = Profile(name="verify", rounds=2, seconds=0.15, warmup_s=0.1, about="for tests with containers")
BRIEF = Profile(name="verify", rounds=1, seconds=0.05, warmup_s=0.05, about="for a whole stack of containers")
UP_S = 300
SAMPLES: Mapping[Stage, tuple[str, ...]] = {"samples": ("redis",)}
PASSWORDS = ("POSTGRES", "MYSQL_ROOT", "MONGO", "REDIS", "RABBITMQ")


def stack(port: int) -> Stack:
    service = Service(name="redis", kind="redis", addresses=(Address("127.0.0.1", port),))
    return Stack(name="contained", path=Path("contained.toml"), managed=False, services=(service,))


def measured(folders: Folders, port: int, **reporter: Any) -> Baseline:
    """A baseline of the Redis at that port, in the warehouse of these folders."""
    store = SampleStore(folders)
    context = RunContext(stack=stack(port), sink=store, reporter=Reporter(**reporter))
    baseline = measure(context, RunOptions(profile=PROFILE, stages=SAMPLES, seed=1))
    warehouse.build(folders)
    return baseline


def ask(folders: Folders, question: str, *values: str) -> list[tuple[Any, ...]]:
    with warehouse.connect(folders) as con:
        return con.execute(question, list(values)).fetchall()


@pytest.fixture(name="folders")
def _folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


class TestThrottling:
    def test_is_found_at_a_limit_and_gone_without_it(self, folders: Folders, redis: Redis) -> None:
        """0.1 CPUs stop a Redis that is asked all the time; with none it is not stopped, and nothing is claimed."""
        _, limited = redis("--cpus", "0.1")
        _, free = redis()
        told = [measured(folders, port).id for port in (limited, free)]
        found = [
            ask(
                folders,
                "select sum(periods) > 0, sum(throttled_ns) > 0, max(throttled_periods / periods) > 0.5 "
                "from percentiles where baseline_id = ?",
                one,
            )
            for one in told
        ]
        findings = [
            ask(
                folders,
                "select holds, against from findings where baseline_id = ? and finding = 'cpu-limit'",
                one,
            )
            for one in told
        ]

        assert [[(True, True, True)], [(None, None, None)]] == found
        assert [1, 0] == [len(one) for one in findings]
        holds, against = findings[0][0]
        assert holds
        assert "0.1 cores, throttled in" in against


class TestResources:
    def test_cpu_and_limit_are_what_the_engine_says(self, here: ContainerEngine, redis: Redis) -> None:
        """All CPU of the readings is what the engine counted meanwhile, within 5 %; read in the container's group."""
        name, port = redis("--memory", "256m")
        [target], unseen = targets(stack(port), {})
        [engine] = find_engines().usable
        kept: list[ResourceReading] = []
        sampler = Sampler([target], interval_s=0.25, cores=(), keep=kept.extend)
        try:
            before_s = engine.use(name).cpu_s
            sampler.begin(Purpose(phase="load"))
            subprocess.run(
                ["redis-benchmark", "-q", "-p", str(port), "-n", "150000", "-t", "set"],
                check=True,
                capture_output=True,
            )
            sampler.end()
            after_s = engine.use(name).cpu_s
        finally:
            sampler.close()
        readings = [one for one in kept if one.service == "redis"]
        read_s = sum((one.cpu_percent or 0) * one.elapsed_ns / 1e11 for one in readings)

        assert [] == unseen
        assert before_s is not None
        assert after_s is not None
        assert after_s - before_s == pytest.approx(read_s, rel=0.05)
        assert {("cgroup", 256 << 20)} == {(one.source, one.limit_bytes) for one in readings}

    def test_memory_and_network_are_its_own(self, here: ContainerEngine, redis: Redis) -> None:
        """What was written into it was received by it, and fills its memory: no page cache, and no other direction."""
        _, port = redis()
        [target], _ = targets(stack(port), {})
        group = cgroup_of(target.pids)
        assert group is not None
        kept: list[ResourceReading] = []
        sampler = Sampler([target], interval_s=0.1, cores=(), keep=kept.extend)
        try:
            sampler.begin(Purpose(phase="load"))
            subprocess.run(
                [
                    "redis-benchmark",
                    "-q",
                    "-p",
                    str(port),
                    *["-n", "2000", "-r", "2000", "-d", "10000", "-t", "set"],
                ],
                check=True,
                capture_output=True,
            )
            time.sleep(0.3)
            sampler.end()
        finally:
            sampler.close()
        first, last = kept[0], [one for one in kept if one.service == "redis"][-1]

        assert (last.received_bytes or 0) > 20_000_000 > 10 * (last.sent_bytes or 0)
        assert 10_000_000 < (last.rss_bytes or 0) < 60_000_000
        assert first.at_ns < last.at_ns


class TestChanges:
    def test_another_image_gives_exactly_that_services_rows_again(
        self, here: ContainerEngine, redis: Redis, folders: Folders
    ) -> None:
        """Of two services in containers the sensor asks for the one that was made again from another image, no other."""
        other = here.image("redis").replace(":test", ":other")
        here.run("tag", here.image("redis"), other)
        (name, port), (_, other_port) = redis(), redis()
        both = [
            Service(name=of, kind="redis", addresses=(Address("127.0.0.1", at),))
            for of, at in (("redis", port), ("cache", other_port))
        ]
        described = replace(stack(port), services=tuple(both))
        state: dict[str, Any] = {"seen": {}, "asked": {}}
        changed_since(state, fingerprints(described, folders), 0, settle_s=0)
        unchanged, _ = changed_since(state, fingerprints(described, folders), 1, settle_s=0)
        here.run("rm", "-f", name)
        redis(name=name, port=port, image=other)
        changed, _ = changed_since(state, fingerprints(described, folders), 2, settle_s=0)

        assert ([], ["redis"]) == (unchanged, changed)

    def test_a_restart_in_the_middle_costs_no_row(
        self, here: ContainerEngine, redis: Redis, folders: Folders
    ) -> None:
        """It is told in one sentence, and everything is measured: no round that is kept has a problem."""
        name, port = redis()
        said: list[str] = []
        restarted = threading.Event()

        def restart() -> None:
            here.run("restart", "-t", "1", name)

        other = threading.Thread(target=restart)

        def progress(_: object) -> None:
            if not restarted.is_set():
                restarted.set()
                other.start()

        baseline = measured(folders, port, say=said.append, progress=progress)
        other.join()

        assert "measured" == baseline.states["redis"]
        assert f"redis: its container {name} was started again at" in baseline.reasons["redis"]
        assert [] == ask(folders, "select benchmark, problem from rounds where problem is not null")

    def test_a_pause_in_the_middle_is_told(
        self, here: ContainerEngine, redis: Redis, folders: Folders
    ) -> None:
        """A call that stood still is no row of the service's: the round is measured again, and the pause is told."""
        name, port = redis()
        paused = threading.Event()

        def pause() -> None:
            here.run("pause", name)
            time.sleep(1.5)
            here.run("unpause", name)

        other = threading.Thread(target=pause)

        def progress(_: object) -> None:
            if not paused.is_set():
                paused.set()
                other.start()

        baseline = measured(folders, port, progress=progress)
        other.join()

        assert f"redis: its container {name} was paused at" in baseline.reasons["redis"]
        assert [(True,)] == ask(folders, "select max(max_ns) < 1500000000 from rounds")


class TestStack:
    def test_every_service_of_compose_is_measured(
        self, here: ContainerEngine, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """stacks/compose.yaml comes up with images of these tests, and a baseline has rows of all its services."""
        command = compose(here)
        if command is None:
            pytest.skip("docker compose is not here")
        for name in PASSWORDS:
            monkeypatch.setenv(f"{name}_PASSWORD", f"{name.lower()}-secret")
        monkeypatch.setenv("VAULT_TOKEN", "vault-secret")
        for name in NAMES:
            here.image(name)
        stacks = HERE.parents[1] / "stacks"
        words = [*command, "-f", str(stacks / "compose.yaml"), "-f", str(HERE / "override.yaml")]
        try:
            subprocess.run([*words, "up", "-d"], check=True, capture_output=True, timeout=UP_S)
            described = load_stack(str(stacks / "compose.toml"), folders, CATALOGUE)
            ends, problems = time.monotonic() + UP_S, ["not asked yet"]
            while problems and time.monotonic() < ends:
                problems = [one.problem for one in run_preflight(described) if one.problem]
            store = SampleStore(folders)
            names = [service.name for service in described.services]
            options = RunOptions(profile=BRIEF, stages={"samples": tuple(names)}, seed=1)
            baseline = measure(RunContext(stack=described, sink=store), options)
        finally:
            subprocess.run(
                [*words, "down", "--volumes", "-t", "1"], check=True, capture_output=True, timeout=UP_S
            )
        warehouse.build(folders)
        rows = ask(folders, "select service, count(*) filter (where valid) > 0 from percentiles group by all")

        failed = {name for name, state in baseline.states.items() if state != "measured"}

        assert [] == problems
        assert {} == {name: baseline.reasons[name] for name in failed}
        assert dict.fromkeys(names, True) == dict(rows)
        assert all("container digest" in facts.settings for facts in baseline.facts.values())
