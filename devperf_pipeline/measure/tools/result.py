"""What does a tool say of one run?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from devperf_pipeline.model import TOLERATED_FAILURES, Benchmark, Outcome, Round, Stated

AT_A_FIXED_RATE = "driven at a fixed rate, which is no closed load"
"""Why a run says nothing about how long calls take when each waits for the one before it."""


@dataclass(frozen=True, slots=True)
class Calls:
    """
    Every call of a run, in the order of their ends; nanoseconds, begins counted from `began_at_ns`.

    `began_at_ns` is the wall clock (UTC epoch), 0 where the tool does not say.
    """

    began_at_ns: int
    elapsed_ns: int
    begin_ns: Sequence[int]
    latency_ns: Sequence[int]
    outcome: Sequence[int]

    @property
    def waiting(self) -> int:
        """How many calls were in flight at once, on average (Little's law), at least 1."""
        return max(1, round(sum(self.latency_ns) / self.elapsed_ns)) if self.elapsed_ns else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    One run, as its tool tells of it. `calls` where it tells of every one.

    `title` is what the tool calls what it did. `users` is 0 and `n` is 0 where the tool does not say.
    `quantiles` maps shares (0 to 1) to nanoseconds. `about` are conditions in the tool's own words.
    `problem` says why the run says nothing about the service.
    """

    title: str
    users: int = 0
    n: int = 0
    errors: int = 0
    elapsed_ns: int = 0
    throughput_per_s: float | None = None
    mean_ns: int | None = None
    quantiles: Mapping[float, int] = field(default_factory=dict[float, int])
    about: Mapping[str, str] = field(default_factory=dict[str, str])
    problem: str | None = None
    calls: Calls | None = None

    def stated(self, benchmark: Benchmark, number: int, began_at_ns: int, **about: str) -> Stated:
        """The same as a row of what tools state, with further conditions."""
        return Stated(
            benchmark=benchmark,
            number=number,
            began_at_ns=began_at_ns,
            elapsed_ns=self.elapsed_ns,
            n=self.n,
            errors=self.errors,
            throughput_per_s=self.throughput_per_s,
            mean_ns=self.mean_ns,
            quantiles=self.quantiles,
            about={**self.about, **about},
            problem=self.problem,
        )

    def round(self, benchmark: Benchmark, number: int, began_at_ns: int, placement: str) -> Round | None:
        """The same as a round, if every call is known."""
        if self.calls is None:
            return None
        return Round(
            benchmark=benchmark,
            number=number,
            phase="measured",
            began_at_ns=self.calls.began_at_ns or began_at_ns,
            elapsed_ns=self.calls.elapsed_ns,
            begin_ns=self.calls.begin_ns,
            latency_ns=self.calls.latency_ns,
            outcome=self.calls.outcome,
            placement=placement,
            problem=self.problem,
        )

    def told_by(self, calls: Calls) -> "Result":
        """The same, with every call beside it. Where summary and calls differ in number, neither is believed."""
        found = len(calls.latency_ns)
        problem = None if found == self.n else f"it counts {self.n:,} calls and lists {found:,}"
        return replace(self, calls=calls, problem=self.problem or problem)


def in_order(ends_latencies_outcomes: Iterable[tuple[int, int, int]], *, wall: bool) -> Calls:
    """Calls from the end of each (nanoseconds, of the wall clock if `wall`), how long it took, and how it ended."""
    rows = sorted(ends_latencies_outcomes)
    if not rows:
        return Calls(0, 0, (), (), ())
    first = min(end - latency for end, latency, _ in rows)
    return Calls(
        began_at_ns=first if wall else 0,
        elapsed_ns=rows[-1][0] - first,
        begin_ns=[end - latency - first for end, latency, _ in rows],
        latency_ns=[latency for _, latency, _ in rows],
        outcome=[outcome for _, _, outcome in rows],
    )


def from_calls(calls: Calls, title: str, **more: str) -> Result:
    """What the calls themselves come to, where a tool gives them alone. Users are counted from those in flight."""
    n = len(calls.latency_ns)
    errors = sum(outcome != Outcome.OK for outcome in calls.outcome)
    return Result(
        title=title,
        users=calls.waiting,
        n=n,
        errors=errors,
        elapsed_ns=calls.elapsed_ns,
        throughput_per_s=(n - errors) / (calls.elapsed_ns / 1e9) if calls.elapsed_ns else None,
        mean_ns=round(sum(calls.latency_ns) / n) if n else None,
        about=more,
        calls=calls,
    )


def outcome_of(status: int) -> Outcome:
    """How a call ended that was answered with this HTTP status (0: not at all)."""
    if status == 0:
        return Outcome.LOST
    if 200 <= status < 300:
        return Outcome.OK
    if 300 <= status < 400:
        return Outcome.REDIRECTED
    return Outcome.LIMITED if status == 429 else Outcome.ERROR


def too_many(failed: int, n: int, what: str) -> str | None:
    """That so many of `n` are `what`, where it is more than is tolerated."""
    return f"{failed:,} of {n:,} {what}" if failed > TOLERATED_FAILURES * n else None


def with_problem(result: Result, problem: str | None) -> Result:
    """The same, with a reason not to believe it, if it has none yet."""
    return replace(result, problem=result.problem or problem)
