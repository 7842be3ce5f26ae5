"""How does sysbench ask what speaks MySQL: its own point select, and one operation in alternation with the engine?"""

from functools import partial
from pathlib import Path

from devperf_pipeline.measure.tools import sysbench
from devperf_pipeline.measure.tools.alternation import Bench
from devperf_pipeline.measure.tools.execution import Finished, ToolFailed, run
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import Service
from devperf_pipeline.services.operation import OUR_NAME

USERS = 10

POINT_SELECT = "oltp_point_select"
POINT_SELECT_NAME = "sysbench-oltp-point-select"
ROWS = 10_000

TABLES = "sbtest*"
"""What its own point select lays into our database."""

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


def measure(bench: Bench) -> None:
    """Its tables lie in our database, and go with it."""
    if "sysbench" in bench.programs:
        benchmark = bench.benchmark(POINT_SELECT_NAME, USERS, "sysbench")
        bench.attempt(benchmark, 1, partial(_point_select, bench))
    for name, statement in bench.session.tool_scripts().items():
        script = bench.folder / f"{name}.lua"
        script.write_text(SCRIPT.format(statement=statement, rows=ROWS))
        bench.alternate(name, USERS, {"sysbench": partial(_script, bench, script)})


def _point_select(bench: Bench, _rate: float) -> tuple[Result, Finished]:
    told = options(
        bench.service, ["tables=1", f"table-size={ROWS}", f"time={max(1, round(bench.length.seconds))}"]
    )
    run(
        [bench.programs["sysbench"], POINT_SELECT, *told, "prepare"],
        folder=bench.folder,
        expected_s=30,
        environment=environment(bench.service),
    )
    return _run(bench, [POINT_SELECT, *told, "run"], bench.length.seconds + 1)


def _script(bench: Bench, script: Path, rate: float) -> tuple[Result, Finished]:
    calls = bench.calls(rate, USERS)
    told = options(bench.service, ["time=0", f"events={calls}"])
    return _run(bench, [script, *told, "run"], 3 * calls / rate if rate else 10)


def _run(bench: Bench, arguments: list[str | Path], expected_s: float) -> tuple[Result, Finished]:
    try:
        finished = run(
            [bench.programs["sysbench"], *arguments],
            folder=bench.folder,
            expected_s=expected_s,
            environment=environment(bench.service),
        )
    except ToolFailed as error:
        # It complains where it also prints its results.
        printed = Text("sysbench", (bench.folder / "printed").read_text(errors="replace"))
        fatal = printed.word(r"^FATAL: (.+)$")
        raise ToolFailed(f"{error}; {fatal}" if fatal else str(error)) from error
    return sysbench.summary(Text("sysbench", finished.text)), finished


def options(service: Service, more: list[str], *, users: int = USERS) -> list[str]:
    """The options of a run, without the password."""
    who = service.credentials
    said = [
        "db-driver=mysql",
        f"mysql-host={service.address.host}",
        f"mysql-port={service.address.port}",
        f"mysql-db={OUR_NAME}",
        f"threads={users}",
        "histogram=on",
        *([f"mysql-user={who.username}"] if who else []),
        *more,
    ]
    return [f"--{option}" for option in said]


def environment(service: Service) -> dict[str, str]:
    """The password is read from here by its MySQL client; a file of options cannot say every password."""
    password = service.credentials.password if service.credentials else ""
    return {"MYSQL_PWD": password} if password else {}
