"""Can the figures of a service be believed? Each check says what was seen, and what to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from devperf_pipeline.store.validity import ANSWERS

if TYPE_CHECKING:
    from devperf_pipeline.analyse.judgements import Change, Contradiction
    from devperf_pipeline.report.loaded import Report

MEASURED = "measured"
CHECKS = {
    "valid": "Every reading counts: calls enough, few failures, one placement, arithmetic that holds.",
    "right_answers": "No call got a wrong, limited, redirected or degraded answer, and sampled answers were right in full.",
    "no_regression": "No benchmark is slower than in the reference, beyond what repeat baselines differ by.",
    "lint": "No figures of this service contradict each other.",
}
SHOWN = 5
"""So many are named; the rest is counted."""

PROBLEM = " rounds had a problem: "
"""How the reason of a reading begins whose sampled answers were not right in full."""


def measured_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The one check of samples."""
    return dg.AssetCheckSpec(
        MEASURED, asset=key, description="The service was there and was measured to the end."
    )


def measured(key: dg.AssetKey, *, passed: bool, why: str) -> dg.AssetCheckResult:
    """Whether the service was measured."""
    return _result(key, MEASURED, passed=passed, why=why, severity=dg.AssetCheckSeverity.ERROR)


def specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of the percentiles of one service."""
    return [dg.AssetCheckSpec(name, asset=key, description=about) for name, about in CHECKS.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the newest baseline of a stack is judged by."""

    readings: Sequence[Mapping[str, Any]]
    slower: "Sequence[Change]"
    reference: str | None
    contradictions: "Sequence[Contradiction]"


def evidence(view: "Report") -> Evidence:
    """Every reading of the stack's newest baseline, what is slower in it, and what of it contradicts itself."""
    rows = [
        {"service": row.service, "name": row.benchmark, "valid": row.valid, "why": row.invalid_reason}
        for part in view.parts
        for row in part.new
    ]
    tests = [
        {
            "service": row["service"],
            "name": row["benchmark"],
            "valid": row["valid"],
            "why": row["invalid_reason"],
        }
        for row in view.load_tests
    ]
    found = view.changes
    return Evidence(
        readings=[*rows, *tests],
        slower=[row for row in found.rows if row.verdict == "slower"] if found else [],
        reference=found.reference_id if found else None,
        contradictions=[one for one in view.contradictions if one.source == view.run.baseline_id],
    )


def judged(key: dg.AssetKey, service: str, found: Evidence) -> Iterator[dg.AssetCheckResult]:
    """All checks of one service's percentiles."""
    readings = [row for row in found.readings if row["service"] == service]
    if not readings:
        for name in CHECKS:
            # What an older baseline was found to be stays so: it was not measured since.
            yield _result(key, name, passed=True, why=f"The newest baseline has no reading of {service}.")
        return
    invalid = [f"{row['name']}: {row['why']}" for row in readings if not row["valid"]]
    yield _result(
        key, "valid", passed=not invalid, why=_told(invalid) or f"{len(readings)} readings, all of them count"
    )
    wrong = [told for told in invalid if PROBLEM in told or any(words in told for words in ANSWERS.values())]
    yield _result(
        key, "right_answers", passed=not wrong, why=_told(wrong) or f"in all of {len(readings)} readings"
    )
    slower = [
        f"{row.benchmark}, {row.metric}: {row.ratio or 1:.2f} times the reference"
        for row in found.slower
        if row.service == service
    ]
    against = (
        f"against {found.reference}" if found.reference else "there is no earlier baseline to compare with"
    )
    yield _result(key, "no_regression", passed=not slower, why=_told(slower, against) or against)
    odd = [one.sentence for one in found.contradictions if one.place.startswith(f"{service}/")]
    yield _result(key, "lint", passed=not odd, why=_told(odd) or "nothing contradicts itself")


def _told(sentences: Sequence[str], *after: str) -> str:
    """The first few, and how many more; empty where there are none."""
    more = [f"{len(sentences) - SHOWN} more"] if len(sentences) > SHOWN else []
    return "; ".join([*sentences[:SHOWN], *more, *after]) if sentences else ""


def _result(
    key: dg.AssetKey,
    name: str,
    *,
    passed: bool,
    why: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=key,
        check_name=name,
        metadata={"what was seen": why},
        severity=severity,
    )
