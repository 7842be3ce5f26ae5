"""
Does a row say something about the service? If not: why not, as one sentence with its numbers.

Rules stand in the order of what they tell: the first that applies is the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devperf_pipeline.model import LEAST_CALLS, TOLERATED_FAILURES, Outcome

CLIENT_COST_NS = 25_000
"""
What a client may spend between two calls of a user, on checks and bookkeeping, before it counts as slow.

Against a call of 17 µs a few microseconds are already a fifth, and its latency is right all the same.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of all rounds of a benchmark together; `outcomes` counts calls by how they ended."""

    users: int
    n: int
    elapsed_ns: int
    latency_sum_ns: int
    outcomes: Mapping[Outcome, int]
    problems: Sequence[str]
    placements: Sequence[str]
    rounds: int
    degraded_from_s: float | None = None
    """Seconds from the beginning of a sustained load to the first answer that said it is not well."""


ANSWERS = {
    Outcome.LIMITED: "were answered by a rate limit (429, or 503 with Retry-After)",
    Outcome.REDIRECTED: "were redirected elsewhere",
    Outcome.WRONG: "were answered with something else than what was asked for",
    Outcome.DEGRADED: "were answered with success by a service that says it is not well",
}
"""Answers that came fast for a wrong reason: one is enough."""

SUCH_AS = ", such as: "
"""What a round's problem puts before an answer that it repeats."""

FAILURES = {
    Outcome.ERROR: "answered with an error",
    Outcome.TIMEOUT: "without an answer in time",
    Outcome.LOST: "with the connection lost",
}


def why_invalid(found: Evidence) -> str | None:
    """The reason not to believe the row; None if there is none."""
    return (
        _nothing(found)
        or _answers(found)
        or _failures(found)
        or _problem(found)
        or _few(found)
        or _placements(found)
        or _arithmetic(found)
    )


def _nothing(found: Evidence) -> str | None:
    if found.n:
        return None
    return f"no call was made: {found.problems[0]}" if found.problems else "no samples"


def _answers(found: Evidence) -> str | None:
    for outcome, words in ANSWERS.items():
        count = found.outcomes.get(outcome, 0)
        if count:
            since = ""
            if outcome is Outcome.DEGRADED and found.degraded_from_s is not None:
                since = f", from second {found.degraded_from_s:.1f} on"
            return f"{count:,} of {found.n:,} calls {words}{since}{_said(found.problems)}"
    return None


def _said(problems: Sequence[str]) -> str:
    """One of the answers that were not right, in the words of a round's problem."""
    answers = (problem.partition(SUCH_AS)[2] for problem in problems)
    said = next(filter(None, answers), "")
    return f"{SUCH_AS}{said}" if said else ""


def _failures(found: Evidence) -> str | None:
    counts = {outcome: found.outcomes.get(outcome, 0) for outcome in FAILURES}
    failed = sum(counts.values())
    if failed <= TOLERATED_FAILURES * found.n:
        return None
    parts = ", ".join(f"{count:,} {FAILURES[outcome]}" for outcome, count in counts.items() if count)
    return f"{failed:,} of {found.n:,} calls failed: {parts}{_said(found.problems)}"


def _problem(found: Evidence) -> str | None:
    if not found.problems:
        return None
    return f"{len(found.problems):,} of {found.rounds:,} rounds had a problem: {found.problems[0]}"


def _few(found: Evidence) -> str | None:
    if found.n >= LEAST_CALLS:
        return None
    return f"only {found.n:,} call{'' if found.n == 1 else 's'}: too few to say anything"


def _placements(found: Evidence) -> str | None:
    if len(found.placements) < 2:
        return None
    return f"measured under {len(found.placements)} placements ({', '.join(found.placements)}), which cannot be pooled"


def _arithmetic(found: Evidence) -> str | None:
    """
    Little's law: as many users are waiting, on average, as throughput x mean latency says.

    More than there are users: a clock is wrong.
    Far fewer: users were kept from asking, by the client or by idling when a round ran out of prepared calls.
    A round's first and last calls count as waiting less than they do, so rounds of few calls a user are not judged.
    """
    if found.elapsed_ns <= 0 or found.n < 10 * found.users * found.rounds:
        return None
    waiting = found.latency_sum_ns / found.elapsed_ns
    tolerance = 1.2 if found.users == 1 else 1.3
    if waiting > tolerance * found.users:
        return (
            f"the arithmetic does not hold: throughput times mean latency says that {waiting:,.1f} users waited at once, "
            f"and there were {found.users:,}"
        )
    between_ns = (found.users * found.elapsed_ns - found.latency_sum_ns) / found.n
    if found.users > tolerance * waiting and between_ns > CLIENT_COST_NS:
        idle = 100 * (1 - waiting / found.users)
        whom = "its one user" if found.users == 1 else f"its {found.users:,} users"
        return f"the client was the limit: {whom} spent {idle:.0f} % of the time not waiting for an answer"
    return None
