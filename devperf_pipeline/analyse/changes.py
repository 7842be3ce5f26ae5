"""What changed since the reference? Every benchmark that two baselines share, with its verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from devperf_pipeline.analyse.verdict import Metric, Repeats, Side, Verdict, beside, drift, judge
from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection

MACHINE = ("cpu_model", "cpu_cores", "cpu_cores_usable", "memory_bytes", "architecture", "virtualization")
"""What makes it another machine. `view_machines.sql` has the same list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One metric of one benchmark in both baselines."""

    service: str
    operation: str
    title: str
    benchmark: str
    metric: Metric
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """
    All that changed and did not. `infrastructure` are facts that differ: service, key, before, now.

    `drift` is the median of all p50 ratios, None of too few: where it is far from 1 the machine changed.
    """

    reference_id: str
    reference_began_ns: int
    rows: Sequence[Change]
    infrastructure: Sequence[tuple[str, str, str, str]]
    drift: float | None


def changes(con: "Connection", baseline_id: str, reference_id: str | None = None) -> Changes | None:
    """A baseline against another, or against the newest complete one before it; None where there is none."""
    if reference_id is None:
        found = query(con, "analyse_reference", baseline_id=baseline_id)
    else:
        found = query(con, "report_baseline", baseline_id=reference_id, stack=None)
    if not found:
        return None
    reference = cast("dict[str, Any]", found[0])
    facts = _facts_that_differ(con, reference["baseline_id"], baseline_id)
    other = [
        f"{key} {old} before, {new} now" for of, key, old, new in facts if of == "host" and key in MACHINE
    ]
    levels = query(con, "analyse_levels", baseline_id=baseline_id, reference_id=reference["baseline_id"])
    rows = [
        _change(cast("dict[str, Any]", row), metric, other)
        for row in levels
        for metric in cast("tuple[Metric, ...]", ("p50", "p95"))
    ]
    moved = drift(
        [row.verdict.ratio for row in rows if row.metric == "p50" and row.verdict.ratio is not None]
    )
    return Changes(
        reference_id=reference["baseline_id"],
        reference_began_ns=reference["began_at_ns"],
        rows=[replace(row, verdict=beside(row.verdict, moved)) for row in rows],
        infrastructure=facts,
        drift=moved,
    )


def _change(row: Mapping[str, Any], metric: Metric, another_machine: Sequence[str]) -> Change:
    def side(prefix: str) -> Side:
        return Side(
            valid=row[f"{prefix}valid"],
            invalid_reason=row[f"{prefix}invalid_reason"],
            placement=row[f"{prefix}placement"],
            rounds=row[f"{prefix}rounds"],
            values_ns=row[f"{prefix}{metric}s_ns"] or (),
        )

    if another_machine:
        verdict = Verdict(word="not comparable", reason=f"another machine: {'; '.join(another_machine)}")
    else:
        repeats = Repeats(row[f"{metric}_repeats"], row[f"{metric}_sd"])
        verdict = judge(metric, side("before_"), side(""), repeats)
    return Change(
        service=row["service"],
        operation=row["operation"],
        title=row["title"],
        benchmark=row["benchmark"],
        metric=metric,
        verdict=verdict,
    )


def _facts_that_differ(con: "Connection", before_id: str, after_id: str) -> list[tuple[str, str, str, str]]:
    """Facts that both baselines have and that are not the same: service or host, key, before, now."""
    before, after = (
        {
            (str(row["service"]), str(row["key"])): str(row["value"])
            for row in query(con, "report_infrastructure", baseline_id=baseline_id)
        }
        for baseline_id in (before_id, after_id)
    )
    return [(*key, before[key], after[key]) for key in before if key in after and before[key] != after[key]]
