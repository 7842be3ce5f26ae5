"""What does a report say of earlier baselines, and of settings that could be tried?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Block, Chart, Section, Table, columns

if TYPE_CHECKING:
    from devperf_pipeline.report.model import Report

TARGETS: Mapping[str, Mapping[str, str]] = {
    "postgresql": {
        "shared_buffers": "512MB",
        "effective_cache_size": "2GB",
        "work_mem": "16MB",
        "max_connections": "200",
    },
    "mysql": {"innodb_buffer_pool_size": "536870912", "max_connections": "200"},
    "redis": {"maxmemory": "536870912"},
}
"""What the published baseline of 2025-10-29 recommends to try, in each server's own words."""


def tuning(view: "Report") -> list[Section]:
    """Settings as they are beside those that are recommended; empty where no such service was asked."""
    rows = [
        [show.cell(part.title), show.cell(setting), _setting(part.settings[setting]), _setting(target)]
        for part in view.parts
        for setting, target in TARGETS.get(part.service, {}).items()
        if setting in part.settings
    ]
    if not rows:
        return []
    about = (
        "Settings that the published baseline recommends, beside what was found. What they would gain here is not "
        "known until a baseline with them is measured: change one, measure, and read *What changed*."
    )
    head, rule = columns("service", "setting", "found", "target", words=2)
    return [Section("Tuning targets", [about, Table(head, rule, rows)])]


def past(baselines: Sequence[Mapping[str, Any]], history: Chart | None) -> Section:
    """The newest baselines of the stack up to this one, and what ran another version than before."""
    head, rule = columns(
        "baseline", "date", "profile", "state", "updates", "calls", "benchmarks", "not counting", words=5
    )
    rows = [
        [
            show.cell(one["baseline_id"]),
            show.moment(one["began_at_ns"]),
            show.cell(one["profile"]),
            show.cell(one["state"]),
            "; ".join(show.cell(update) for update in one["updates"]) or show.DASH,
            show.count(one["samples"]),
            show.count(one["benchmarks"]),
            show.count(one["invalid"]),
        ]
        for one in baselines
    ]
    blocks: list[Block] = [Table(head, rule, rows)]
    return Section("Changelog of baselines", [*blocks, *([history] if history else [])])


def _setting(value: str) -> str:
    """A setting as it is, and as a size where it is a long number of bytes."""
    return show.size(int(value)) if value.isdecimal() and int(value) >= 1 << 20 else show.cell(value)
