"""
What do the reference tools measure in a run?

They are second instruments: whatever a tool cannot do costs its own rows, and says so in them.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.local.install import find_server, how_to_get_tool
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.measure.tools import http_runs, pgbench_runs, redis_runs, sysbench_runs
from devperf_pipeline.measure.tools.alternation import Bench
from devperf_pipeline.measure.tools.execution import find_program
from devperf_pipeline.model import Tool
from devperf_pipeline.services import CATALOGUE

RUNS: Mapping[Tool, Callable[[Bench], None]] = {
    "ab": http_runs.measure,
    "wrk": http_runs.measure,
    "h2load": http_runs.measure,
    "pgbench": pgbench_runs.measure,
    "redis-benchmark": redis_runs.measure,
    "sysbench": sysbench_runs.measure,
}
"""Who runs each tool; tools that ask the same are run by one."""

BESIDE: Mapping[Tool, tuple[str, str]] = {
    "pgbench": ("postgresql", "postgres"),
    "redis-benchmark": ("redis", "redis-server"),
}
"""Tools that come with a server: kind and program that they lie beside."""

TITLES: Mapping[str, str] = {
    pgbench_runs.TPCB: "TPC-B",
    sysbench_runs.POINT_SELECT_NAME: f"sysbench {sysbench_runs.POINT_SELECT}",
    **{redis_runs.operation_of(line): line for line in redis_runs.BLOCK},
}
"""What people call the operations that are a tool's own, by name."""


def measure(context: RunContext, _tell: Callable[[Progress], None]) -> None:
    """Run every tool that is here against the services of the stage "tools"."""
    programs, absent = find_tools()
    for name, session in context.chosen("tools").items():
        service = context.stack.service(name)
        tools = CATALOGUE[service.kind].tools
        runs = {RUNS[tool]: None for tool in tools}
        if not runs:
            continue
        context.say(f"Asking {name} with {', '.join(tools)}.")
        with tempfile.TemporaryDirectory(prefix="devperf-tools-") as folder:
            bench = Bench(context, service, folder=Path(folder), programs=programs, absent=absent)
            try:
                for run in runs:
                    run(bench)
            except (ServiceError, OSError, *session.exceptions) as error:
                bench.not_run("tools", 1, tools[0], f"{type(error).__name__}: {error}")
            finally:
                bench.close()


def titles(context: RunContext) -> dict[str, str]:
    """What people call the tools' own operations, by `service/operation`."""
    kinds = {name: CATALOGUE[context.stack.service(name).kind] for name in context.chosen("tools")}
    own: Mapping[Tool, tuple[str, ...]] = {
        "pgbench": (pgbench_runs.TPCB,),
        "sysbench": (sysbench_runs.POINT_SELECT_NAME,),
        "redis-benchmark": tuple(map(redis_runs.operation_of, redis_runs.BLOCK)),
    }
    return {
        f"{name}/{operation}": TITLES[operation]
        for name, kind in kinds.items()
        for tool in kind.tools
        for operation in own.get(tool, ())
    }


def find_tools() -> tuple[dict[Tool, Path], dict[Tool, str]]:
    """The tools that are on this machine, and how to get the others."""
    programs: dict[Tool, Path] = {}
    absent: dict[Tool, str] = {}
    for tool in RUNS:
        kind, server = BESIDE.get(tool, ("", ""))
        found = find_server(kind) if kind else None
        path = find_program(tool, beside=found.programs[server] if found else None)
        if path:
            programs[tool] = path
        else:
            absent[tool] = f"{tool} is not on this machine. To get it: {how_to_get_tool(tool)}"
    return programs, absent
