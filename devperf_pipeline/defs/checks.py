"""Can the samples of a service be believed? Each check says what was seen, and what to do."""

from collections.abc import Iterator, Mapping

import dagster as dg

from devperf_pipeline.defs import keys
from devperf_pipeline.measure.tally import Count
from devperf_pipeline.model import TOLERATED_FAILURES, Outcome
from devperf_pipeline.store.confidence import LEAST_SAMPLES

CHECKS = {
    "measured": "The service was there and was measured.",
    "enough_samples": f"Every benchmark has at least {LEAST_SAMPLES} calls, the fewest that bound a p95.",
    "right_answers": "No call got a wrong, limited, redirected or degraded answer, and sampled answers were right in full.",
    "few_errors": f"At most {TOLERATED_FAILURES:.0%} of the calls failed.",
}


def specs(kind: str) -> list[dg.AssetCheckSpec]:
    """The checks of one kind of service's samples."""
    return [
        dg.AssetCheckSpec(name, asset=keys.samples(kind), description=about) for name, about in CHECKS.items()
    ]


def not_measured(kind: str, missing: Mapping[str, str]) -> Iterator[dg.AssetCheckResult]:
    """The failed checks of services that could not be measured, none of that kind; `missing` says of each why."""
    for name in CHECKS if missing else ():
        yield _result(kind, name, passed=False, why=" ".join(missing.values()))


def judged(
    kind: str, counts: Mapping[str, Count], missing: Mapping[str, str]
) -> Iterator[dg.AssetCheckResult]:
    """The checks of the services of one kind that were measured, all of them together."""
    count = Count()
    for one in counts.values():
        count.calls.update(one.calls)
        count.outcomes.update(one.outcomes)
        count.problems.extend(one.problems)
    seen = f"{count.total:,} calls in {len(count.calls)} benchmarks"
    yield _result(kind, "measured", passed=not missing, why=". ".join([seen, *missing.values()]))

    few = [f"{benchmark} has {calls}" for benchmark, calls in count.calls.items() if calls < LEAST_SAMPLES]
    yield _result(
        kind,
        "enough_samples",
        passed=not few,
        why=f"Expected {LEAST_SAMPLES} calls or more: {'; '.join(few)}. A longer profile measures more."
        if few
        else f"fewest: {min(count.calls.values(), default=0)}",
    )

    wrong = _calls(counts, Outcome.WRONG, Outcome.LIMITED, Outcome.REDIRECTED, Outcome.DEGRADED)
    seen = [f"{many} were answered wrongly" for number, many in wrong.values() if number] or (
        [f"none of {count.total:,} calls was answered wrongly"] if count.problems else []
    )
    yield _result(
        kind,
        "right_answers",
        passed=not seen,
        why="; ".join([*seen, *count.problems[:5]]) if seen else f"{count.total:,} answers",
    )

    failed = _calls(counts, Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST)
    yield _result(
        kind,
        "few_errors",
        # Of each service by itself: the calls of others make no failing one better.
        passed=all(number <= TOLERATED_FAILURES * counts[name].total for name, (number, _) in failed.items()),
        why="; ".join(f"{many} failed" for _, many in failed.values()),
    )


def _calls(counts: Mapping[str, Count], *outcomes: Outcome) -> dict[str, tuple[int, str]]:
    """For each service how many calls ended so, and that in words, with its name where there are several."""
    ended = {service: count.ended(*outcomes) for service, count in counts.items()}
    return {
        service: (
            number,
            f"{f'{service}: ' if len(counts) > 1 else ''}{number:,} of {counts[service].total:,} calls",
        )
        for service, number in ended.items()
    }


def _result(kind: str, name: str, *, passed: bool, why: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=keys.samples(kind),
        check_name=name,
        metadata={"what was seen": why},
        severity=dg.AssetCheckSeverity.ERROR if name == "measured" else dg.AssetCheckSeverity.WARN,
    )
