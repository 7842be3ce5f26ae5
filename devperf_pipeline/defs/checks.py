"""Can the figures of a service be believed? Each check says what was seen, and what to do."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from devperf_pipeline.store.validity import ANSWERS

if TYPE_CHECKING:
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


def judged(key: dg.AssetKey, service: str, view: "Report") -> Iterator[dg.AssetCheckResult]:
    """All checks of one service's percentiles, of the stack's newest baseline."""
    part, changes = view.part(service), view.changes
    readings = [(row.benchmark, row.valid, row.invalid_reason) for row in (part.new if part else ())]
    readings += [
        (row["benchmark"], row["valid"], row["invalid_reason"])
        for row in view.load_tests
        if row["service"] == service
    ]
    if not readings:
        for name in CHECKS:
            # What an older baseline was found to be stays so: it was not measured since.
            yield _result(key, name, passed=True, why=f"The newest baseline has no reading of {service}.")
        return
    invalid = [f"{name}: {why}" for name, valid, why in readings if not valid]
    slower = [
        f"{row.benchmark}, {row.metric}: {row.ratio or 1:.2f} times the reference"
        for row in (changes.rows if changes else ())
        if row.service == service and row.verdict == "slower"
    ]
    against = f"against {changes.reference_id}" if changes else "there is no earlier baseline to compare with"
    verdicts = {
        "valid": (invalid, f"{len(readings)} readings, all of them count"),
        "right_answers": (
            [told for told in invalid if any(words in told for words in (PROBLEM, *ANSWERS.values()))],
            f"in all of {len(readings)} readings",
        ),
        "no_regression": (slower, against),
        "lint": (
            [
                one.sentence
                for one in view.contradictions
                if one.source == view.run.baseline_id and one.place.startswith(f"{service}/")
            ],
            "nothing contradicts itself",
        ),
    }
    for name, (faults, otherwise) in verdicts.items():
        why = _told(faults, *([against] if name == "no_regression" else [])) if faults else otherwise
        yield _result(key, name, passed=not faults, why=why)


def _told(sentences: Sequence[str], *after: str) -> str:
    """The first few, and how many more."""
    more = [f"{len(sentences) - SHOWN} more"] if len(sentences) > SHOWN else []
    return "; ".join([*sentences[:SHOWN], *more, *after])


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
