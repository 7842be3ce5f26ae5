"""
How do tools and the engine ask the same service in alternation?

Engine, tool, engine, tool, …, engine: every run of a tool has a window of the engine right before and after it, of
the same operation with the same users on the same cores. Users are those that no other stage measures the operation
with, so that the engine's rounds here are benchmarks of their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from devperf_pipeline.errors import ForeignResults
from devperf_pipeline.measure.plan import Item, Profile
from devperf_pipeline.measure.rounds import Measurer
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.measure.tools.execution import Finished, ToolFailed
from devperf_pipeline.measure.tools.result import Result, with_problem
from devperf_pipeline.model import Benchmark, Load, Outcome, Service, Tool
from devperf_pipeline.services.operation import Operation, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """
    How long tools run: `seconds` a run, so many `pairs` of engine and tool; TPC-B in one window of its own.

    `block_calls` are those of each line of redis-benchmark's block; `api_tools` are those that ask APIs, and where
    `new_connections` ab asks once more with a connection for each call. A user makes `least_each` calls at least.
    """

    seconds: float
    pairs: int
    tpcb_s: int
    block_calls: int
    api_tools: tuple[Tool, ...] = ("ab", "wrk", "h2load")
    new_connections: bool = True
    least_each: int = 3


LENGTHS: Mapping[str, Length] = {
    "quick": Length(
        seconds=0.2,
        pairs=1,
        tpcb_s=2,
        block_calls=10_000,
        api_tools=("ab",),
        new_connections=False,
        least_each=2,
    ),
    "standard": Length(seconds=1.0, pairs=3, tpcb_s=10, block_calls=50_000),
    "full": Length(seconds=5.0, pairs=3, tpcb_s=60, block_calls=100_000),
}
"""By profile. Blocks are as published: 60 s of TPC-B, redis-benchmark's own 100,000 calls."""

WARMUP_S = 0.3

MOST_CALLS = 60_000
"""A run makes no more calls than this, as the published load tests."""

Attempt = Callable[[float], tuple[Result, Finished]]
"""
Runs a tool once, having heard how many calls a second the engine made; raises `ToolFailed` or `ForeignResults`.
"""


class Bench:
    """
    One service on which tools are tried, in a private folder.

    `programs` are the tools that are here; why each other one is not is in `absent`.
    """

    def __init__(
        self,
        context: RunContext,
        service: Service,
        *,
        folder: Path,
        programs: Mapping[Tool, Path],
        absent: Mapping[Tool, str],
    ) -> None:
        self.context = context
        self.service = service
        self.session: Session = context.sessions[service.name]
        self.folder = folder
        self.programs = programs
        self.absent = absent
        self.length = LENGTHS.get(context.profile.name, LENGTHS["quick"])
        profile: Profile = replace(
            context.profile, seconds=self.length.seconds, warmup_s=min(context.profile.warmup_s, WARMUP_S)
        )
        self._measurer = Measurer(profile, context.placement)
        self._engine_cpu = ""
        self._operations = {operation.name: operation for operation in self.session.operations()}

    def operation(self, name: str) -> Operation | None:
        """The session's operation of that name, if it can be measured."""
        return self._operations.get(name)

    def alternate(self, name: str, users: int, attempts: Mapping[Tool, Attempt]) -> float:
        """Engine and tools in alternation, every round kept. Returns the engine's calls a second, 0 if it made none."""
        operation = self.operation(name)
        if operation is None:
            for tool in attempts:
                self.not_run(name, users, tool, f"{self.service.name} does not answer {name} as it should")
            return 0.0
        here: dict[Tool, Attempt] = {
            tool: attempt for tool, attempt in attempts.items() if tool in self.programs
        }
        for tool in attempts:
            if tool in here:
                continue
            self.not_run(name, users, tool, self.absent[tool])
        rate, problem = 0.0, None
        for number in range(1, self.length.pairs + 1) if here else ():
            rate, problem = self._engine(operation, users, number)
            for tool, attempt in here.items():
                self.attempt(self.benchmark(name, users, tool), number, attempt, rate=rate, problem=problem)
        if here:
            rate, _ = self._engine(operation, users, self.length.pairs + 1)
        return rate

    def benchmark(self, name: str, users: int, tool: Tool) -> Benchmark:
        """What the tool measures."""
        return Benchmark(self.service.name, name, Load(users), tool)

    def attempt(
        self,
        benchmark: Benchmark,
        number: int,
        attempt: Attempt,
        *,
        rate: float = 0.0,
        problem: str | None = None,
    ) -> bool:
        """
        Run a tool once and keep what it says: its summary, and its calls where it tells of every one.

        `problem` is what the engine found wrong just before. Returns whether there is a result.
        """
        placement = self.context.placement.choose(benchmark.load.users)
        self._reset(benchmark)
        try:
            result, finished = attempt(rate)
        except (ToolFailed, ForeignResults) as error:
            self.not_run(benchmark.operation, benchmark.load.users, benchmark.instrument, str(error), number)
            return False
        finally:
            self.context.check_cancelled()
        self.keep(benchmark, number, with_problem(result, problem), finished, placement)
        return True

    def keep(
        self, benchmark: Benchmark, number: int, result: Result, finished: Finished, placement: str
    ) -> None:
        """Keep one result, with how busy tool and engine were."""
        about = {"placement": placement, "client cpu": f"{finished.client_share:.2f}"}
        if self._engine_cpu:
            about["engine cpu"] = self._engine_cpu
        round_ = result.round(benchmark, number, finished.began_at_ns, placement)
        if round_ is not None:
            self.context.sink.keep(round_)
        self.context.sink.keep_stated(result.stated(benchmark, number, finished.began_at_ns, **about))

    def not_run(self, name: str, users: int, tool: str, why: str, number: int = 1) -> None:
        """Keep why a tool has no result."""
        benchmark = Benchmark(self.service.name, name, Load(users), tool)  # type: ignore[arg-type]
        self.context.sink.keep_stated(
            Result(title=name, users=users, problem=why).stated(benchmark, number, 0)
        )

    def calls(self, rate: float, users: int) -> int:
        """How many calls a run of the usual length makes at that rate."""
        return max(self.length.least_each * users, min(MOST_CALLS, int(rate * self.length.seconds)))

    def close(self) -> None:
        """End the engine's connections."""
        self._measurer.disconnect()

    def _engine(self, operation: Operation, users: int, number: int) -> tuple[float, str | None]:
        """One window of the engine: its calls a second, and what is wrong with the answers, if anything."""
        benchmark = Benchmark(self.service.name, operation.name, Load(users), "engine")
        measured = self._measurer.measure(Item(benchmark, operation, self.session), number)
        for one in measured:
            if one.phase == "measured" or one.latency_ns:
                self.context.sink.keep(one)
        self.context.check_cancelled()
        last = measured[-1]
        share = self._measurer.client_share
        self._engine_cpu = "" if share is None else f"{share:.2f}"
        wrong = sum(outcome != Outcome.OK for outcome in last.outcome)
        problem = last.problem
        if problem is None and wrong > 0.01 * len(last.outcome):
            problem = f"{wrong:,} of {len(last.outcome):,} answers to the engine were not right"
        rate = len(last.latency_ns) / (last.elapsed_ns / 1e9) if last.elapsed_ns else 0.0
        return rate, None if problem is None else f"just before, the engine found: {problem}"

    def _reset(self, benchmark: Benchmark) -> None:
        operation = self.operation(benchmark.operation)
        if operation is not None and operation.reset is not None:
            operation.reset(benchmark.load.users, self.rows_each(benchmark.load.users))

    def rows_each(self, users: int) -> int:
        """Rows that each client of a tool may consume where every call consumes one."""
        return max(10, int(2_000 * self.length.seconds * 10 / users))
