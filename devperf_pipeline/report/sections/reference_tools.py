"""What does a report say of reference tools beside our own engine?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Section, Table, columns

if TYPE_CHECKING:
    from devperf_pipeline.report.model import Report

ABOUT = (
    "Second instruments, run in the same baseline on the same stack. A ratio is the tool's figure by the engine's: "
    "near 1 they agree; where they do not, the last column says why that may be."
)

_VERDICTS = {True: "the tool and the engine agree", None: "it cannot be told", False: "they differ"}


def beside(view: "Report", rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    """One line a benchmark that a tool measured, too; empty where none did."""
    if not rows:
        return []
    head, rule = columns(
        "service", "operation", "tool", "users", "engine p50", "tool p50", "ratio", "engine calls/s", "tool calls/s",
        "ratio", "agrees", "says", words=3,
    )  # fmt: skip
    table = [
        [
            show.cell(view.title_of(row["service"])),
            show.cell(view.operation_of(row["service"], row["operation"])),
            show.cell(row["tool"]),
            show.count(row["users"]),
            show.duration(row["engine_p50_ns"]),
            show.duration(row["tool_p50_ns"]),
            show.times(row["p50_ratio"]),
            show.throughput(row["engine_throughput_per_s"]),
            show.throughput(row["tool_throughput_per_s"]),
            show.times(row["throughput_ratio"]),
            {True: "yes", False: "**no**", None: "cannot tell"}[row["agrees"]],
            show.prose(row["says"] or ""),
        ]
        for row in rows
    ]
    return [
        Section("Reference tools", [_summary(rows), ABOUT, Table(head, (*rule[:-2], ":--", ":--"), table)])
    ]


def _summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """How often tool and engine agree, how often they do not, and how often it cannot be told."""
    counts = [(sum(row["agrees"] is verdict for row in rows), said) for verdict, said in _VERDICTS.items()]
    told = "; ".join(f"in {number} {said}" for number, said in counts if number)
    return f"**A tool measured {len(rows)} benchmarks beside the engine: {told}.**"
