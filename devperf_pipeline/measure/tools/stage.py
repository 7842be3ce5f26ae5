"""
What do the reference tools measure in a run?

They are second instruments: whatever a tool cannot do costs its own rows, and says so in them.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.local.install import find_server, how_to_get_tool
from devperf_pipeline.measure.plan import Plan
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.measure.steps import Measurable, together
from devperf_pipeline.measure.tools import http_runs, pgbench_runs, redis_runs, sysbench_runs
from devperf_pipeline.measure.tools.alternation import Turns
from devperf_pipeline.measure.tools.execution import find_program
from devperf_pipeline.measure.tools.steps import LENGTHS, Asked, Bench, ToolPlan, ToolStep, too_late
from devperf_pipeline.model import Benchmark, Load, Service, Tool
from devperf_pipeline.services import CATALOGUE

RUNS: Mapping[Tool, Callable[[Asked], Iterator[ToolStep]]] = {
    "ab": http_runs.plan,
    "wrk": http_runs.plan,
    "h2load": http_runs.plan,
    "pgbench": pgbench_runs.plan,
    "redis-benchmark": redis_runs.plan,
    "sysbench": sysbench_runs.plan,
}
"""Who plans the runs of each tool; tools that ask the same are planned by one."""

BESIDE: Mapping[Tool, tuple[str, str]] = {
    "pgbench": ("postgresql", "postgres"),
    "redis-benchmark": ("redis", "redis-server"),
}
"""Tools that come with a server: kind and program that they lie beside."""

OWN: Mapping[Tool, Mapping[str, str]] = {
    "pgbench": {pgbench_runs.TPCB: "TPC-B"},
    "sysbench": {sysbench_runs.POINT_SELECT_NAME: f"sysbench {sysbench_runs.POINT_SELECT}"},
    "redis-benchmark": {redis_runs.operation_of(line): line for line in redis_runs.BLOCK},
}
"""What people call the operations that are a tool's own, by name."""

TITLES: Mapping[str, str] = {name: title for own in OWN.values() for name, title in own.items()}

WARMUP_S = 0.3
"""The most that the engine warms up before its turns."""


def plan(one: Measurable, profile: Profile, absent: Mapping[Tool, str], *, managed: bool) -> ToolPlan:
    """What the tools do with one service; `absent` are those that are not here, and how to get each."""
    length = LENGTHS.get(profile.name, LENGTHS["quick"])
    if why := _kept_out(one.service):
        absent = dict.fromkeys(CATALOGUE[one.service.kind].tools, why)
    asked = Asked(
        target=one, managed=managed, length=length, warmup_s=min(profile.warmup_s, WARMUP_S), absent=absent
    )
    planners = dict.fromkeys(RUNS[tool] for tool in CATALOGUE[one.service.kind].tools)
    steps = [step for planner in planners for step in planner(asked)]
    return ToolPlan(service=one.service, session=one.session, length=length, steps=steps)


def _kept_out(service: Service) -> str | None:
    """Why no tool asks a service, where none does."""
    if service.headers:
        return "requests to it carry headers, which tools take on their command line, where everybody can read them"
    return (
        "tools are run without TLS alone: they check certificates in ways of their own, or not at all"
        if service.address.tls
        else None
    )


def run(plan: Plan, context: RunContext) -> None:
    """Run every tool that is here against its services."""
    programs, _ = find_tools()
    expected_s = together(each.cost for each in plan.tools).expected_s
    ends = context.clock() + plan.profile.longest_of(expected_s)
    for asked in plan.tools:
        name, session = asked.service.name, asked.session
        tools = CATALOGUE[asked.service.kind].tools
        if not tools or not context.state.can_ask(name):
            continue
        if asked.tools:
            context.say(f"Asking {name} with {', '.join(asked.tools)}.")
        with tempfile.TemporaryDirectory(prefix="devperf-tools-") as folder, ExitStack() as stack:
            bench = Bench(service=asked.service, folder=Path(folder), programs=programs, length=asked.length)
            turns = Turns(context, bench)
            try:
                if asked.guest:
                    turns = Turns(context, replace(bench, guest=stack.enter_context(session.guest())))
                for step in asked.steps:
                    turns.take(step if context.clock() <= ends else too_late(step, expected_s))
            except (ServiceError, OSError, *session.exceptions) as error:
                turns.not_run(Benchmark(name, "tools", Load(1), tools[0]), f"{type(error).__name__}: {error}")
            finally:
                context.measurer.disconnect(name)


def titles(targets: Iterable[Measurable]) -> dict[str, str]:
    """What people call the tools' own operations, by `service/operation`."""
    return {
        f"{one.service.name}/{name}": title
        for one in targets
        for tool in CATALOGUE[one.service.kind].tools
        for name, title in OWN.get(tool, {}).items()
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
