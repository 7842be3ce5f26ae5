"""
How does sysbench ask what speaks MySQL: its own point select, and one operation in alternation with the engine?
"""

from functools import partial
from pathlib import Path
from typing import cast

from devperf_pipeline.errors import ForeignResults
from devperf_pipeline.measure.tools import sysbench
from devperf_pipeline.measure.tools.bench import Bench
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.running import Finished, ToolFailed, run
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import Service
from devperf_pipeline.services.operation import OUR_NAME, ToolTarget

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
    """
    Its tables lie in our database, and go with it.
    """
    if "sysbench" in bench.programs:
        benchmark = bench.benchmark(POINT_SELECT_NAME, USERS, "sysbench")
        bench.attempt(benchmark, 1, partial(_point_select, bench))
    for name, statement in cast("ToolTarget", bench.session).tool_scripts().items():
        script = bench.folder / f"{name}.lua"
        script.write_text(SCRIPT.format(statement=statement, rows=ROWS))
        bench.alternate(name, USERS, {"sysbench": partial(_script, bench, script)})


def _point_select(bench: Bench, _rate: float) -> tuple[Result, Finished]:
    more = ["tables=1", f"table-size={ROWS}", f"time={max(1, round(bench.length.seconds))}"]
    config = options(bench.service, bench.folder, more)
    program = bench.programs["sysbench"]
    try:
        run([program, POINT_SELECT, config, "prepare"], folder=bench.folder, expected_s=30)
        return _run(bench, [POINT_SELECT, config, "run"], bench.length.seconds + 1)
    finally:
        _forget(bench)


def _script(bench: Bench, script: Path, rate: float) -> tuple[Result, Finished]:
    calls = bench.calls(rate, USERS)
    config = options(bench.service, bench.folder, ["time=0", f"events={calls}"])
    try:
        return _run(bench, [script, config, "run"], 3 * calls / rate if rate else 10)
    finally:
        _forget(bench)


def _run(bench: Bench, arguments: list[str | Path], expected_s: float) -> tuple[Result, Finished]:
    try:
        finished = run([bench.programs["sysbench"], *arguments], folder=bench.folder, expected_s=expected_s)
    except ToolFailed as error:
        # It complains where it also prints its results.
        printed = Text("sysbench", (bench.folder / "printed").read_text(errors="replace"))
        fatal = printed.word(r"^FATAL: (.+)$")
        raise ToolFailed(f"{error}; {fatal}" if fatal else str(error)) from error
    return sysbench.summary(Text("sysbench", finished.text)), finished


def options(service: Service, folder: Path, more: list[str], *, users: int = USERS) -> str:
    """
    The option that names a file of options, which only we can read: the password is among them.

    Raises:
        ForeignResults: a value cannot be said in such a file.

    """
    who = service.credentials
    said = [
        "db-driver=mysql",
        f"mysql-host={service.address.host}",
        f"mysql-port={service.address.port}",
        f"mysql-db={OUR_NAME}",
        f"threads={users}",
        "histogram=on",
        *([f"mysql-user={who.username}", f"mysql-password={who.password}"] if who else []),
        *more,
    ]
    if any("\n" in option for option in said):
        raise ForeignResults(f"{service.name}: a password of several lines cannot be given to sysbench.")
    file = folder / "options"
    file.touch(mode=0o600)
    file.write_text("".join(f"{option}\n" for option in said))
    return f"--config-file={file}"


def _forget(bench: Bench) -> None:
    (bench.folder / "options").unlink(missing_ok=True)
