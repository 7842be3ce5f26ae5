"""
Is the engine as close to the server as the reference tools are?

Both sides are measured in alternation on the same server, one user, client and server on the same core:
Redis GET against redis-benchmark, HTTP /health and Vault's sys/health against wrk, PostgreSQL and MySQL SELECT by
key (prepared) against pgbench and sysbench. Printed is the median over the pairs of each side's p50, and their
ratio; the absolute times are this machine's, the ratio is the result.

    make bench
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from devperf_pipeline.local import lifecycle
from devperf_pipeline.local.lifecycle import standing
from devperf_pipeline.measure.cpu_affinity import Placement
from devperf_pipeline.measure.engine import drive_one, driver_of
from devperf_pipeline.measure.lock import only_one
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.measure.tools import pgbench, redis_benchmark, sysbench, sysbench_runs, wrk
from devperf_pipeline.measure.tools.execution import ToolFailed, run
from devperf_pipeline.measure.tools.stage import find_tools
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import Service, Stack, Tool
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Operation, Session
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

PAIRS = 11
SECONDS = 1.0
DEADLINE_S = 30

Run = Callable[[Service, Session, Path], float]
"""Runs a reference tool for about `SECONDS` in a private folder and returns its p50 in microseconds."""


@dataclass(frozen=True, slots=True)
class Contest:
    """One operation, asked by the engine and by a tool."""

    service: str
    operation: str
    tool: Tool
    run: Run


def redis_benchmark_run(service: Service, session: Session, folder: Path) -> float:
    """
    A GET of one of our keys. Its own p50 is rounded to steps of 8 microseconds, so the mean stands in: the
    engine's side of this contest is its mean as well.
    """
    with session.guest() as guest:
        text = output_of(
            folder,
            *(program("redis-benchmark"), "-h", service.address.host, "-p", str(service.address.port)),
            *("--user", guest, "-a", "any", "-c", "1", "-n", "30000", "--csv"),
            *script(session, "get-hit").split(),
        )
    [result] = redis_benchmark.from_csv(text)
    assert result.throughput_per_s
    return 1e6 / result.throughput_per_s


def wrk_run(path: str) -> Run:
    """GET of a path on one connection."""

    def run_once(service: Service, _session: Session, folder: Path) -> float:
        url = f"http://{service.address}{path}"
        text = output_of(folder, program("wrk"), "-t1", "-c1", f"-d{SECONDS:.0f}s", "--latency", url)
        return wrk.summary(text).quantiles[0.5] / 1000

    return run_once


def pgbench_run(service: Service, session: Session, folder: Path) -> float:
    """SELECT by key, prepared, every transaction logged in microseconds."""
    assert service.credentials
    file = folder / "select.sql"
    file.write_text(script(session, "select-by-key"), encoding="utf-8")
    for old in folder.glob("log.*"):
        old.unlink()
    output_of(
        folder,
        *(program("pgbench"), "-n", "-M", "prepared", "-c", "1", "-j", "1", "-T", f"{SECONDS:.0f}"),
        *("-f", str(file), "-l", "--log-prefix", str(folder / "log")),
        *("-h", service.address.host, "-p", str(service.address.port)),
        *("-U", service.credentials.username, str(service.database)),
        PGPASSWORD=service.credentials.password,
    )
    [log] = folder.glob("log.*")
    calls = pgbench.calls(Text(log.name, log.read_text(encoding="utf-8")))
    return statistics.median(calls.latency_ns) / 1000


def sysbench_run(service: Service, session: Session, folder: Path) -> float:
    """SELECT by key, prepared; the median of its histogram, whose steps are about 2 %."""
    file = folder / "select.lua"
    file.write_text(
        sysbench_runs.SCRIPT.format(statement=script(session, "select-by-key"), rows=sysbench_runs.ROWS),
        encoding="utf-8",
    )
    told = sysbench_runs.options(service, [f"time={SECONDS:.0f}"], users=1)
    text = output_of(
        folder, program("sysbench"), *told, str(file), "run", **sysbench_runs.environment(service)
    )
    return sysbench.summary(text).quantiles[0.5] / 1000


def output_of(folder: Path, *arguments: str, **environment: str) -> Text:
    """What a tool prints, within a deadline. Passwords go through the environment, never the command line."""
    try:
        finished = run(arguments, folder=folder, expected_s=DEADLINE_S, environment=environment)
    except ToolFailed as error:
        raise SystemExit(str(error)) from None
    return Text(Path(arguments[0]).name, finished.text)


def program(name: Tool) -> str:
    """The program of that name."""
    programs, absent = find_tools()
    if name not in programs:
        raise SystemExit(absent[name])
    return str(programs[name])


def script(session: Session, operation: str) -> str:
    """An operation in the words of the service's tool."""
    return session.tool_scripts()[operation]


CONTESTS = (
    Contest("redis", "get-hit", "redis-benchmark", redis_benchmark_run),
    Contest("fastapi", "get-health", "wrk", wrk_run("/health")),
    Contest("vault", "health", "wrk", wrk_run("/v1/sys/health")),
    Contest("postgresql", "select-by-key", "pgbench", pgbench_run),
    Contest("mysql", "select-by-key", "sysbench", sysbench_run),
)


def engine_side(service: Service, operation: Operation, connection: object, recorder: Recorder) -> float:
    """The engine's p50 of one run in microseconds (its mean for Redis, see `redis_benchmark`)."""
    assert operation.wire
    if operation.reset:
        operation.reset(1, 1000)
    user = driver_of(operation.wire(connection, 0, 1000), finite=False)
    drive_one(user, recorder, seconds=0.1)
    recorder.clear()
    piece = drive_one(user, recorder, seconds=SECONDS)
    if service.kind == "redis":
        return piece.elapsed_ns / recorder.length / 1000
    latencies = recorder.copy()[1]
    recorder.clear()
    return statistics.median(latencies) / 1000


def compare(contest: Contest, stack: Stack, placement: Placement) -> None:
    """Run the pairs of one contest and print its line."""
    service = stack.service(contest.service)
    if service.name in stack.missing:
        print(f"{contest.service:<12} skipped: {stack.missing[service.name]}")
        return
    session = CATALOGUE[service.kind].open_session(service)
    recorder = Recorder()
    ours: list[float] = []
    theirs: list[float] = []
    try:
        session.prepare()
        operation = next(one for one in session.operations() if one.name == contest.operation)
        connection = session.connect()
        placement.choose(1)
        with tempfile.TemporaryDirectory() as folder:
            for pair in range(PAIRS):
                recorder.clear()
                sides = [
                    lambda: ours.append(engine_side(service, operation, connection, recorder)),
                    lambda: theirs.append(contest.run(service, session, Path(folder))),
                ]
                for side in sides if pair % 2 else reversed(sides):
                    side()
        connection.close()
    finally:
        session.clean()
        session.close()
    ratios = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
    what = "mean" if service.kind == "redis" else "p50"
    print(
        f"{contest.service + ' ' + contest.operation:<26} {what:<5} engine {statistics.median(ours):7.1f} µs   "
        f"{contest.tool:<16} {statistics.median(theirs):7.1f} µs   ratio {statistics.median(ratios):.3f}  "
        f"(from {ratios[0]:.2f} to {ratios[-1]:.2f} over {PAIRS} pairs)",
        flush=True,
    )


def main(names: Sequence[str]) -> None:
    """Run every contest, or those of the services that are named."""
    folders = Folders.find()
    described = load_stack("local", folders, CATALOGUE)
    with only_one(), standing(described, folders, print, only=names) as stack:
        roots = [pid for service in stack.services for pid in lifecycle.processes(folders, service.name)]
        placement = Placement(roots)
        for contest in CONTESTS:
            if not names or contest.service in names:
                compare(contest, stack, placement)
        placement.release()


if __name__ == "__main__":
    main(sys.argv[1:])
