"""How does sysbench ask what speaks MySQL: its own point select, and one operation in alternation with the engine?"""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from devperf_pipeline.measure.tools import sysbench
from devperf_pipeline.measure.tools.execution import Finished, ToolFailed
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.steps import Asked, Bench, Length, ToolRun, ToolStep
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import Address, Service
from devperf_pipeline.services.operation import own_name

USERS = 10

POINT_SELECT = "oltp_point_select"
POINT_SELECT_NAME = "sysbench-oltp-point-select"
ROWS = 10_000

TABLES = "sbtest*"
"""What its own point select makes in our database."""

SCRIPT = """
function thread_init()
  connection = sysbench.sql.driver():connect()
  statement = connection:prepare("{statement}")
  key = statement:bind_create(sysbench.sql.type.INT)
  statement:bind_param(key)
end
function event()
  key:set(sysbench.rand.uniform(1, {rows}))
  local result = statement:execute()
  result:free()
end
"""


def plan(asked: Asked) -> Iterator[ToolStep]:
    """Its own point select, then each operation that it can ask in alternation with the engine."""
    if "sysbench" not in asked.absent:
        yield ToolRun(
            benchmark=asked.benchmark(POINT_SELECT_NAME, USERS, "sysbench"),
            attempt=_point_select,
            seconds=_whole_seconds(asked.length),
            objects=[f"tables {own_name(asked.target.service)}.{TABLES}"],
        )
    for name, statement in asked.target.session.tool_scripts().items():
        yield from asked.turns(name, USERS, {"sysbench": partial(_script, name=name, statement=statement)})


def _whole_seconds(length: Length) -> int:
    """It takes no others."""
    return max(1, math.ceil(length.seconds))


def _point_select(bench: Bench, _rate: float) -> tuple[dict[str, Result], Finished]:
    """Its tables lie in our database, and go with it."""
    seconds = _whole_seconds(bench.length)
    told = options(bench.service, ["tables=1", f"table-size={ROWS}", f"time={seconds}"])
    bench.run(
        "sysbench", [POINT_SELECT, *told, "prepare"], expected_s=30, environment=environment(bench.service)
    )
    return _run(bench, POINT_SELECT_NAME, [POINT_SELECT, *told, "run"], seconds + 1)


def _script(bench: Bench, rate: float, *, name: str, statement: str) -> tuple[dict[str, Result], Finished]:
    script = bench.folder / f"{name}.lua"
    script.write_text(SCRIPT.format(statement=statement, rows=ROWS))
    calls = bench.length.calls(rate, USERS)
    told = options(bench.service, ["time=0", f"events={calls}"])
    return _run(bench, name, [script, *told, "run"], bench.length.expected_s(calls, rate))


def _run(
    bench: Bench, operation: str, arguments: list[str | Path], expected_s: float
) -> tuple[dict[str, Result], Finished]:
    try:
        finished = bench.run(
            "sysbench", arguments, expected_s=expected_s, environment=environment(bench.service)
        )
    except ToolFailed as error:
        # It complains where it also prints its results.
        printed = Text("sysbench", (bench.folder / "printed").read_text(errors="replace"))
        fatal = printed.word(r"^FATAL: (.+)$")
        raise ToolFailed(f"{error}; {fatal}" if fatal else str(error)) from error
    return {operation: sysbench.summary(Text("sysbench", finished.text))}, finished


def options(service: Service, more: list[str], *, users: int = USERS) -> list[str]:
    """The options of a run, without the password."""
    who = service.credentials
    said = [
        "db-driver=mysql",
        *_where(service.address),
        f"mysql-db={own_name(service)}",
        f"threads={users}",
        "histogram=on",
        *([f"mysql-user={who.username}"] if who else []),
        *more,
    ]
    return [f"--{option}" for option in said]


def _where(address: Address) -> list[str]:
    if address.is_unix:
        return [f"mysql-socket={address.host}"]
    return [f"mysql-host={address.host}", f"mysql-port={address.port}"]


def environment(service: Service) -> dict[str, str]:
    """The password is read from here by its MySQL client; a file of options cannot say every password."""
    password = service.credentials.password if service.credentials else ""
    return {"MYSQL_PWD": password} if password else {}
