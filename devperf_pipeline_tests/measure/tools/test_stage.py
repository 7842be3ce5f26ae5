import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import redis

from devperf_pipeline.measure.plan import RunOptions
from devperf_pipeline.measure.profile import profile_named
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.measure.tools import execution, stage
from devperf_pipeline.measure.tools.execution import ToolFailed, run
from devperf_pipeline.measure.tools.redis_runs import BLOCK, operation_of
from devperf_pipeline.measure.tools.stage import find_tools
from devperf_pipeline.model import Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.redis.guest import BLOCK as BLOCK_KEYS
from devperf_pipeline.services.redis.guest import GUEST, admit
from devperf_pipeline.services.whole_stack import clean
from devperf_pipeline_tests.measure.test_run import ListSink
from devperf_pipeline_tests.services.unusual_passwords import UNUSUAL, with_unusual_password

pytestmark = pytest.mark.servers


def run_tools(stack: Stack, *services: str) -> ListSink:
    for service in services:
        if service in stack.missing:
            pytest.skip(stack.missing[service])
    sink = ListSink()
    options = RunOptions(
        profile=profile_named("quick"), services=services, stages={"tools": services}, seed=1
    )
    measure(RunContext(stack=stack, sink=sink), options)
    return sink


def problems(sink: ListSink) -> list[tuple[str, str]]:
    return [(one.benchmark.id, one.problem) for one in sink.stated if one.problem]


@pytest.fixture(name="command_lines")
def _command_lines() -> Iterator[set[str]]:
    """Every command line that is seen while a test runs, looked for without a pause."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for process in psutil.process_iter():
                try:
                    seen.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue
            over.wait(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    yield seen
    over.set()
    watcher.join()


class TestMeasure:
    def test_redis(self, running_stack: Stack, command_lines: set[str]) -> None:
        """Every line of the published block is filled; its keys and its guest are gone, and no password was to be seen."""
        sink = run_tools(running_stack, "redis")
        service = running_stack.service("redis")
        assert service.credentials
        block = {one.benchmark.operation: one for one in sink.stated if one.benchmark.operation != "get-hit"}
        with redis.Redis(
            host=service.address.host, port=service.address.port, password=service.credentials.password
        ) as admin:
            left = [key for key in admin.scan_iter() if not key.startswith(b"devperf:")]
            users = admin.acl_users()

        assert [] == problems(sink)
        assert {operation_of(line) for line in BLOCK} == set(block)
        assert all(one.throughput_per_s and one.quantiles[0.5] and one.n == 10_000 for one in block.values())
        assert "SET" == sink.baselines[-1].operations["redis/benchmark-set"]
        assert [] == left
        assert GUEST not in users
        assert any("redis-benchmark" in line for line in command_lines)
        assert not any(service.credentials.password in line for line in command_lines)

    def test_a_guest_left_by_a_kill_goes_with_cleaning(self, running_stack: Stack) -> None:
        """The guest of redis-benchmark, and the keys it made, are removed by whoever cleans next; others' keys stay."""
        service = running_stack.service("redis")
        assert service.credentials
        with redis.Redis(
            host=service.address.host, port=service.address.port, password=service.credentials.password
        ) as admin:
            admit(admin, BLOCK_KEYS)
            admin.set("mylist", "made by the guest")
            admin.set("somebody-else", "stays")
            cleaned = dict(clean(replace(running_stack, services=(service,))))
            users, left = admin.acl_users(), set(admin.scan_iter())
            admin.delete("somebody-else")

        assert {"redis": None} == cleaned
        assert GUEST not in users
        assert {b"somebody-else"} == left

    def test_postgresql(self, running_stack: Stack, command_lines: set[str]) -> None:
        """TPC-B as published, with its scale; each operation by pgbench between two rounds of the engine."""
        sink = run_tools(running_stack, "postgresql")
        service = running_stack.service("postgresql")
        assert service.credentials
        tpcb = next(one for one in sink.stated if one.benchmark.operation == "tpc-b")
        calls = {
            r.benchmark.operation: len(r.latency_ns)
            for r in sink.rounds
            if r.benchmark.instrument == "pgbench"
        }
        order = [
            r.benchmark.instrument
            for r in sink.rounds
            if r.benchmark.operation == "select-by-key" and r.phase == "measured"
        ]

        assert [] == problems(sink)
        assert {"scale": "10", "threads": "4"}.items() <= tpcb.about.items()
        assert tpcb.n == calls["tpc-b"] > 100
        assert {
            "insert",
            "select-by-key",
            "full-scan",
            "update",
            "delete",
            "transaction",
            "join",
            "tpc-b",
        } == set(calls)
        assert ["engine", "pgbench", "engine"] == order
        assert not any(service.credentials.password in line for line in command_lines)

    def test_mysql(self, running_stack: Stack, command_lines: set[str]) -> None:
        """The point select of sysbench and the engine's own statement, percentiles included, without a password in sight."""
        sink = run_tools(running_stack, "mysql")
        service = running_stack.service("mysql")
        assert service.credentials

        assert [] == problems(sink)
        assert ["sysbench-oltp-point-select", "select-by-key"] == [
            one.benchmark.operation for one in sink.stated
        ]
        assert all(one.quantiles[0.5] <= one.quantiles[0.99] for one in sink.stated)
        assert not any(service.credentials.password in line for line in command_lines)

    @pytest.mark.parametrize("kind", ["postgresql", "pgbouncer", "mysql", "redis", "redis_cluster"])
    def test_odd_passwords(self, running_stack: Stack, kind: str, command_lines: set[str]) -> None:
        """Every tool is let in with quotes, spaces, backslashes and other alphabets in the password, and shows none of it."""
        if kind in running_stack.missing:
            pytest.skip(running_stack.missing[kind])
        with with_unusual_password(running_stack.service(kind)) as odd:
            sink = run_tools(replace(running_stack, services=(odd,)), kind)

        assert {} == sink.baselines[-1].reasons
        assert [] == problems(sink)
        assert sink.stated
        assert not any(UNUSUAL.strip() in line for line in command_lines)

    def test_redis_of_others_is_not_written_to(self, running_stack: Stack) -> None:
        """On a stack that others use redis-benchmark's keys may be somebody's: it is not run, and the row says why."""
        sink = run_tools(replace(running_stack, managed=False), "redis")

        assert ["redis/benchmark-ping-inline/closed-50/redis-benchmark"] == [one[0] for one in problems(sink)]
        assert "may be somebody's" in problems(sink)[0][1]
        assert [] == sink.rounds

    def test_missing_tools_say_how_to_get_them(
        self, running_stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A tool that is not here costs its own row."""
        if "fastapi" in running_stack.missing:
            pytest.skip(running_stack.missing["fastapi"])
        monkeypatch.setenv("PATH", "/nowhere")
        sink = run_tools(running_stack, "fastapi")

        assert {"ab"} == {one.benchmark.instrument for one in sink.stated}
        assert all("is not on this machine. To get it: " in why for _, why in problems(sink))
        assert [] == sink.rounds


class TestRefused:
    def test_redis_benchmark_that_never_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Against a port where nobody listens it tries for ever; our deadline ends it, and what it said is the reason."""
        monkeypatch.setattr(execution, "GRACE_S", 0.5)
        program = find_tools()[0]["redis-benchmark"]
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with pytest.raises(ToolFailed, match="Could not connect to Redis"):
            run([program, "-p", str(port), "-n", "10", "--csv", "-t", "get"], folder=tmp_path, expected_s=0.5)

    def test_pgbench_that_ends_well_after_clients_gave_up(
        self, running_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run whose clients gave up has no valid row, whatever its exit status: here it is 0."""
        if "postgresql" in running_stack.missing:
            pytest.skip(running_stack.missing["postgresql"])
        pgbench = find_tools()[0]["pgbench"]
        lenient = tmp_path / "pgbench"
        # What its versions before 11 did: some clients give up, and the status is 0.
        lenient.write_text(
            f'#!/bin/sh\n"{pgbench}" "$@"\necho "pgbench: error: client 3 aborted in command 0" >&2\nexit 0\n'
        )
        lenient.chmod(0o755)
        here = find_tools()[0] | {"pgbench": lenient}
        monkeypatch.setattr(stage, "find_tools", lambda: (here, {}))
        sink = run_tools(running_stack, "postgresql")

        assert len(sink.stated) == 8
        assert [] == [
            why for _, why in problems(sink) if not re.match("clients gave up: .*client 3 aborted", why)
        ]
        assert len(problems(sink)) == len(sink.stated)


class TestTitles:
    def test_every_tool_of_the_catalogue_is_run_by_somebody(self) -> None:
        """A tool that a kind of service names has a module that runs it."""
        from devperf_pipeline.measure.tools.stage import RUNS  # noqa: PLC0415 - the others need servers

        assert {tool for kind in CATALOGUE.values() for tool in kind.tools} == set(RUNS)
