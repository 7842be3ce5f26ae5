"""What would the reference tools make and ask of a service? Told without running any."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from devperf_pipeline.measure.tools import pgbench_runs, redis_runs, sysbench_runs
from devperf_pipeline.measure.tools.alternation import LENGTHS, MOST_CALLS, Length
from devperf_pipeline.model import Service, Tool
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import OUR_NAME, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsAsked:
    """
    The tools that would ask a service, the objects that they make beside ours, the seconds that their runs and the
    engine's beside them last, start-ups not counted, and the most calls of those runs that are bounded by calls.
    """

    tools: Sequence[Tool] = ()
    objects: Sequence[str] = ()
    measured_s: float = 0.0
    most_calls: int = 0


def foreseen(
    service: Service, session: Session, *, managed: bool, profile: str, here: Collection[Tool]
) -> ToolsAsked:
    """What the stage "tools" would do with a service, with the tools that are here then."""
    length = LENGTHS.get(profile, LENGTHS["quick"])
    tools: list[Tool] = [
        tool for tool in CATALOGUE[service.kind].tools if tool in here and _runs(tool, managed, length)
    ]
    if not tools:
        return ToolsAsked()
    known = {operation.name for operation in session.operations()}
    operations = sum(name in known for name in session.tool_scripts())
    measured_s = operations * (length.pairs * (1 + len(tools)) + 1) * length.seconds
    calls = operations * length.pairs * len(tools) * MOST_CALLS
    objects: list[str] = []
    if service.kind == "postgresql":
        measured_s += length.tpcb_s
        objects.append(f"tables {OUR_NAME}_{service.name}.{pgbench_runs.TABLES}")
    if service.kind == "mysql":
        measured_s += max(1, math.ceil(length.seconds))
        objects.append(f"tables {OUR_NAME}.{sysbench_runs.TABLES}")
    if "redis-benchmark" in tools:
        calls += len(redis_runs.BLOCK) * length.block_calls
        objects += session.guest_objects()
    if "ab" in tools and length.new_connections:
        measured_s += operations * length.seconds
        calls += operations * MOST_CALLS
    if not measured_s and not calls:
        return ToolsAsked()  # none of what they would ask can be measured
    return ToolsAsked(tools=tools, objects=objects, measured_s=measured_s, most_calls=calls)


def _runs(tool: Tool, managed: bool, length: Length) -> bool:
    """Whether the tool is run on such a stack, in such a profile."""
    if tool == "redis-benchmark":
        return managed
    return tool in length.api_tools or tool in {"pgbench", "sysbench"}
