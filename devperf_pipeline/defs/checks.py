"""
Can the samples of a service be believed? Each check says what was seen, and what to do.
"""

from collections.abc import Iterator

import dagster as dg

from devperf_pipeline.defs import keys
from devperf_pipeline.measure.tally import Count
from devperf_pipeline.model import TOLERATED_FAILURES, Outcome
from devperf_pipeline.store.bounds import LEAST_SAMPLES

CHECKS = {
    "measured": "The service was there and was measured.",
    "enough_samples": f"Every benchmark has at least {LEAST_SAMPLES} calls, the fewest that bound a p95.",
    "right_answers": "No call got a wrong, limited, redirected or degraded answer, and sampled answers were right in full.",
    "few_errors": f"At most {TOLERATED_FAILURES:.0%} of the calls failed.",
}


def specs(service: str) -> list[dg.AssetCheckSpec]:
    """
    The checks of one service's samples.
    """
    return [
        dg.AssetCheckSpec(name, asset=keys.samples(service), description=about)
        for name, about in CHECKS.items()
    ]


def not_measured(service: str, why: str) -> Iterator[dg.AssetCheckResult]:
    """
    The failed checks of a service that could not be measured.
    """
    for name in CHECKS:
        yield _result(service, name, passed=False, why=why)


def judged(service: str, count: Count) -> Iterator[dg.AssetCheckResult]:
    """
    The checks of a service that was measured.
    """
    yield _result(
        service, "measured", passed=True, why=f"{count.total:,} calls in {len(count.calls)} benchmarks"
    )

    few = [f"{benchmark} has {calls}" for benchmark, calls in count.calls.items() if calls < LEAST_SAMPLES]
    yield _result(
        service,
        "enough_samples",
        passed=not few,
        why=f"Expected {LEAST_SAMPLES} calls or more: {'; '.join(few)}. A longer profile measures more."
        if few
        else f"fewest: {min(count.calls.values(), default=0)}",
    )

    wrong = count.ended(Outcome.WRONG, Outcome.LIMITED, Outcome.REDIRECTED, Outcome.DEGRADED)
    yield _result(
        service,
        "right_answers",
        passed=not wrong and not count.problems,
        why=f"{wrong:,} of {count.total:,} calls were answered wrongly; {'; '.join(count.problems[:5])}".rstrip(
            "; "
        )
        if wrong or count.problems
        else f"{count.total:,} answers",
    )

    failed = count.ended(Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST)
    yield _result(
        service,
        "few_errors",
        passed=failed <= TOLERATED_FAILURES * count.total,
        why=f"{failed:,} of {count.total:,} calls failed",
    )


def _result(service: str, name: str, *, passed: bool, why: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=keys.samples(service),
        check_name=name,
        metadata={"what was seen": why},
        severity=dg.AssetCheckSeverity.ERROR if name == "measured" else dg.AssetCheckSeverity.WARN,
    )
