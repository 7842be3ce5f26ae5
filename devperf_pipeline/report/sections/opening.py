"""What was measured, on what, and what must a reader know before believing the tables?"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import format as show
from devperf_pipeline.report.rows import Part, shown

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report

NAMED = 4
"""So many services are named in the opening; of more, the list of what ran has them."""

DISTURBED = 0.05
"""With fewer disturbed rounds than this share, nobody need measure again."""


def opening(report: "Report") -> Mapping[str, Any]:
    """The figures of the first paragraph."""
    run, parts = report.run, report.parts
    new = [row for part in parts for row in part.new]
    rounds = [row.rounds for row in new]
    lasted = sorted(row.elapsed_ns for row in new if row.elapsed_ns)
    busy = sum(row.busy_rounds for row in new)
    return {
        "measured": [part.title for part in parts if part.new],
        "named": NAMED,
        "machine": _machine(report.host),
        "took_ns": None if run.ended_at_ns is None else run.ended_at_ns - run.began_at_ns,
        "new": new,
        "besides": run.benchmarks - len(new),
        "rounds": (min(rounds), max(rounds), sum(rounds)) if rounds else None,
        "lasted": (median(lasted), lasted[0]) if lasted else None,
        "invalid": sum(not row.valid for row in new),
        "busy": busy,
        "few": busy < DISTURBED * sum(rounds),
        "errors": sum(row.errors for row in new),
        "older": sum(not row.is_new for part in parts for row, _ in shown(part.rows)),
    }


def missing(report: "Report") -> Mapping[str, Any]:
    """Who was not measured, or not to the end."""
    parts = report.parts
    return {
        "missing": [part for part in parts if _is_missing(part)],
        "others": [part.title for part in parts if part.rows and not part.new and not part.asked],
    }


def _is_missing(part: Part) -> bool:
    """Whether this baseline did not measure a service to the end, or nobody ever did."""
    return part.state in {"failed", "skipped"} or not (part.new or (part.rows and not part.asked))


def _machine(host: Mapping[str, str]) -> Sequence[str]:
    memory = host.get("memory_bytes", "")
    found = (
        host.get("cpu_model"),
        f"{host['cpu_cores']} cores" if "cpu_cores" in host else None,
        show.size(int(memory)) if memory.isdecimal() else None,
        host.get("os"),
    )
    return [fact for fact in found if fact]
