"""
Is the engine as close to the server as the reference tools are?

Both sides are measured in alternation on the same server, one user, client and server on the same core:
Redis GET against redis-benchmark, HTTP /health against wrk, PostgreSQL and MySQL SELECT by key (prepared) against
pgbench and sysbench. Printed is the median over the pairs of each side's p50, and their ratio; the absolute times
are this machine's, the ratio is the result.

    make bench
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from devperf_pipeline.measure.engine import drive_one, driver_of
from devperf_pipeline.measure.lock import only_one
from devperf_pipeline.measure.placement import Placement
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.model import Service, Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Operation
from devperf_pipeline.stack import local
from devperf_pipeline.stack.config import load_stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.obtain import find_server
from devperf_pipeline.stack.standing import standing

PAIRS = 11
SECONDS = 1.0
DEADLINE_S = 30
GUEST = "devperf-bench"

Tool = Callable[[Service, Path], float]
"""Runs a reference tool for about `SECONDS` in a private folder and returns its p50 in microseconds."""


@dataclass(frozen=True, slots=True)
class Contest:
    """
    One operation, asked by the engine and by a tool.
    """

    service: str
    operation: str
    tool: str
    run: Tool


def output_of(arguments: Sequence[str], **environment: str) -> str:
    """
    What a tool prints, within a deadline. Passwords go through the environment, never the command line.
    """
    try:
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
            env={**os.environ, **environment},
        )
    except FileNotFoundError:
        raise SystemExit(f"{arguments[0]} is not on this machine: install it to compare with it.") from None
    if done.returncode:
        raise SystemExit(f"{arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


def redis_benchmark(service: Service, folder: Path) -> float:
    """
    A GET of one of our keys. Its own p50 is rounded to steps of 8 microseconds, so the mean stands in: the
    engine's side of this contest is its mean as well.

    It takes passwords on its command line only, where everyone can read them: so it logs in as a user who may
    do nothing but this GET, and whom any password lets in.
    """
    assert service.credentials
    host, port = service.address.host, service.address.port
    admin = redis.Redis(host=host, port=port, password=service.credentials.password)
    try:
        admin.execute_command(
            "ACL",
            "SETUSER",
            GUEST,
            "reset",
            "on",
            "nopass",
            f"~devperf:{service.name}:*",
            "+get",
            "+config|get",
        )
        text = output_of(
            ["redis-benchmark", "-h", host, "-p", str(port), "--user", GUEST, "-a", "any", "-c", "1", "-n", "30000",
             "--csv", "GET", f"devperf:{service.name}:key:00042"]
        )  # fmt: skip
    finally:
        admin.execute_command("ACL", "DELUSER", GUEST)
        admin.close()
    per_second = float(text.splitlines()[-1].split(",")[1].strip('"'))
    return 1e6 / per_second


def wrk(service: Service, folder: Path) -> float:
    """
    GET /health on one connection.
    """
    text = output_of(
        ["wrk", "-t1", "-c1", f"-d{SECONDS:.0f}s", "--latency", f"http://{service.address}/health"]
    )
    found = re.search(r"50%\s+([\d.]+)(us|ms)", text)
    assert found, text
    return float(found[1]) * (1 if found[2] == "us" else 1000)


def pgbench(service: Service, folder: Path) -> float:
    """
    SELECT by key, prepared, every transaction logged in microseconds.
    """
    assert service.credentials
    found = find_server("postgresql")
    assert found
    tool = Path(found.programs["postgres"]).parent / "pgbench"
    script = folder / "select.sql"
    script.write_text(
        f"\\set id random(1, 10000)\nselect id, name, value from devperf_{service.name}.items where id = :id;\n",
        encoding="utf-8",
    )
    for old in folder.glob("log.*"):
        old.unlink()
    output_of(
        [
            str(tool), "-n", "-M", "prepared", "-c", "1", "-j", "1", "-T", f"{SECONDS:.0f}", "-f", str(script),
            "-l", "--log-prefix", str(folder / "log"), "-h", service.address.host, "-p", str(service.address.port),
            "-U", service.credentials.username, str(service.database),
        ],
        PGPASSWORD=service.credentials.password,
    )  # fmt: skip
    lines = [line for path in folder.glob("log.*") for line in path.read_text(encoding="utf-8").splitlines()]
    return statistics.median(float(line.split()[2]) for line in lines)


SYSBENCH_SCRIPT = """
function thread_init()
  connection = sysbench.sql.driver():connect()
  statement = connection:prepare("select id, name, value from devperf.items where id = ?")
  key = statement:bind_create(sysbench.sql.type.INT)
  statement:bind_param(key)
end
function event()
  key:set(sysbench.rand.uniform(1, 10000))
  local result = statement:execute()
  result:free()
end
"""


def sysbench(service: Service, folder: Path) -> float:
    """
    SELECT by key, prepared; the median of its histogram, whose steps are about 2 %.
    """
    assert service.credentials
    script, config = folder / "select.lua", folder / "sysbench.cfg"
    script.write_text(SYSBENCH_SCRIPT, encoding="utf-8")
    config.touch(mode=0o600)
    config.write_text(
        "db-driver=mysql\n"
        f"mysql-host={service.address.host}\nmysql-port={service.address.port}\n"
        f"mysql-user={service.credentials.username}\nmysql-password={service.credentials.password}\n"
        f"mysql-db=devperf\nthreads=1\ntime={SECONDS:.0f}\nhistogram=on\n",
        encoding="utf-8",
    )
    text = output_of(["sysbench", f"--config-file={config}", str(script), "run"])
    buckets = [
        (float(v), int(n)) for v, n in re.findall(r"^\s+([\d.]+) \|[* ]*\s+(\d+)$", text, re.MULTILINE)
    ]
    half, seen = sum(count for _, count in buckets) / 2, 0
    for milliseconds, count in buckets:
        seen += count
        if seen >= half:
            return milliseconds * 1000
    raise SystemExit(f"sysbench printed no histogram: {text[-400:]}")


CONTESTS = (
    Contest("redis", "get-hit", "redis-benchmark", redis_benchmark),
    Contest("fastapi", "get-health", "wrk", wrk),
    Contest("postgresql", "select-by-key", "pgbench", pgbench),
    Contest("mysql", "select-by-key", "sysbench", sysbench),
)


def engine_side(service: Service, operation: Operation, connection: object, recorder: Recorder) -> float:
    """
    The engine's p50 of one run in microseconds (its mean for Redis, see `redis_benchmark`).
    """
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
    """
    Run the pairs of one contest and print its line.
    """
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
                    lambda: theirs.append(contest.run(service, Path(folder))),
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
    """
    Run every contest, or those of the services that are named.
    """
    folders = Folders.find()
    described = load_stack("local", folders, CATALOGUE)
    with only_one(), standing(described, folders, print) as stack:
        roots = [pid for service in stack.services for pid in local.processes(folders, service.name)]
        placement = Placement(lambda: roots)
        for contest in CONTESTS:
            if not names or contest.service in names:
                compare(contest, stack, placement)
        placement.release()


if __name__ == "__main__":
    main(sys.argv[1:])
