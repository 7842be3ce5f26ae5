"""How does pgbench ask PostgreSQL, directly or through PgBouncer: TPC-B, and the published operations?"""

from collections.abc import Iterator
from functools import partial
from pathlib import PurePath

from devperf_pipeline.measure.tools import pgbench
from devperf_pipeline.measure.tools.execution import Finished, ToolFailed
from devperf_pipeline.measure.tools.result import Result, with_problem
from devperf_pipeline.measure.tools.steps import Asked, Bench, ToolRun, ToolStep
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import Service
from devperf_pipeline.services.operation import OUR_NAME

USERS = 10
"""Clients, as published."""

THREADS = 4
"""Threads of TPC-B, as published."""

SCALE = 10
"""Branches of TPC-B: with fewer than clients, clients would wait for each other's rows."""

INIT_S = 60

TPCB = "tpc-b"

TABLES = "pgbench_*"
"""What TPC-B makes in our schema."""


def plan(asked: Asked) -> Iterator[ToolStep]:
    """TPC-B where PostgreSQL is asked directly, then each published operation in alternation with the engine."""
    service = asked.target.service
    finite = {operation.name for operation in asked.target.operations if operation.finite}
    if (
        service.kind == "postgresql" and "pgbench" not in asked.absent
    ):  # its absence is said for every operation
        yield ToolRun(
            benchmark=asked.benchmark(TPCB, USERS, "pgbench"),
            attempt=_tpcb,
            seconds=asked.length.tpcb_s,
            objects=[f"tables {OUR_NAME}_{service.name}.{TABLES}"],
        )
    for name, script in asked.target.session.tool_scripts().items():
        attempt = partial(_script, name=name, script=script, finite=name in finite)
        yield from asked.turns(name, USERS, {"pgbench": attempt})


def _tpcb(bench: Bench, _rate: float) -> tuple[dict[str, Result], Finished]:
    """Its tables lie in our schema, and go with it."""
    environment = _environment(bench.service) | {
        "PGOPTIONS": f"-c search_path={OUR_NAME}_{bench.service.name}"
    }
    where, seconds = _where(bench.service), bench.length.tpcb_s
    bench.run("pgbench", ["-i", "-q", "-s", SCALE, *where], expected_s=INIT_S, environment=environment)
    _forget_logs(bench)
    finished = bench.run(
        "pgbench",
        ["-c", USERS, "-j", THREADS, "-T", seconds, "-l", "--log-prefix", bench.folder / "log", *where],
        expected_s=seconds + 10,
        environment=environment,
    )
    return {TPCB: _logged(bench, finished)}, finished


def _script(
    bench: Bench, rate: float, *, name: str, script: str, finite: bool
) -> tuple[dict[str, Result], Finished]:
    """The same number of transactions for each client. Through PgBouncer statements cannot be prepared by name."""
    each = bench.length.calls(rate, USERS) // USERS
    if finite:
        each = min(each, bench.length.rows_each(USERS))
    mode = "simple" if bench.service.kind == "pgbouncer" else "prepared"
    file = bench.folder / f"{name}.sql"
    file.write_text(script)
    _forget_logs(bench)
    finished = bench.run(
        "pgbench",
        [
            *(
                "-n",
                "-M",
                mode,
                "-c",
                USERS,
                "-j",
                1,
                "-t",
                each,
                "-D",
                "n=-1",
                "-D",
                f"size={each}",
                "-f",
                file,
            ),
            *("-l", "--log-prefix", bench.folder / "log", *_where(bench.service)),
        ],
        expected_s=bench.length.expected_s(each * USERS, rate),
        environment=_environment(bench.service),
    )
    return {name: _logged(bench, finished)}, finished


def _logged(bench: Bench, finished: Finished) -> Result:
    """
    What pgbench printed, with every transaction from its logs: one a thread.

    It may end with status 0 after clients of it gave up; what it complains of tells.
    """
    lines = [path.read_text() for path in sorted(bench.folder.glob("log.*"))]
    if not any(lines):
        raise ToolFailed("pgbench wrote no log of its transactions; was it ended while it began?")
    result = pgbench.summary(Text("pgbench", finished.text))
    gave_up = f"clients gave up: {finished.complaint}" if "abort" in finished.complaint else None
    return with_problem(result.told_by(pgbench.calls(Text("pgbench -l", "".join(lines)))), gave_up)


def _forget_logs(bench: Bench) -> None:
    for path in bench.folder.glob("log.*"):
        path.unlink()


def _where(service: Service) -> list[str]:
    user = ["-U", service.credentials.username] if service.credentials else []
    host, port = service.address.host, str(service.address.port)
    if service.address.is_unix:
        path = PurePath(host)
        host, port = str(path.parent), path.suffix[1:]
    return ["-h", host, "-p", port, *user, service.database or OUR_NAME]


def _environment(service: Service) -> dict[str, str]:
    """The password is read from here by libpq; nothing of the caller's own settings is."""
    password = service.credentials.password if service.credentials else ""
    # The engine cannot take over an encrypted socket: unencrypted both, or the comparison is of encryption.
    return {
        "PGSSLMODE": "disable",
        "PGCONNECT_TIMEOUT": "3",
        **({"PGPASSWORD": password} if password else {}),
    }
