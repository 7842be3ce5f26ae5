"""What are the steps of reference tools: a run of one alone, or turns of tools and the engine?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devperf_pipeline.local.install import how_to_get_tool
from devperf_pipeline.measure.steps import BenchmarkStep, Cost, Measurable, together
from devperf_pipeline.measure.tools.execution import Finished, ToolFailed, run
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.model import Benchmark, Load, Service, Tool
from devperf_pipeline.services.operation import Operation, Session

MOST_CALLS = 60_000
"""A run makes no more calls than this, as the published load tests."""

STARTUP_S = 0.15
"""What a tool takes beside its calls: its start, its connections, the reading of its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """
    How long tools run: `seconds` a run, so many `pairs` of engine and tool; TPC-B in one window of its own.

    `block_calls` are those of each line of redis-benchmark's block; `api_tools` are those that ask APIs, and where
    `new_connections` ab asks once more with a connection for each call. A user makes `least_each` calls at least.
    Turns that would take more than `longest_s` are left out.
    """

    seconds: float
    pairs: int
    tpcb_s: int
    block_calls: int
    api_tools: tuple[Tool, ...] = ("ab", "wrk", "h2load")
    new_connections: bool = True
    least_each: int = 3
    longest_s: float | None = None

    def calls(self, rate: float, users: int) -> int:
        """How many calls a run of the usual length makes at that rate."""
        return max(self.least_each * users, min(MOST_CALLS, int(rate * self.seconds)))

    def expected_s(self, calls: int, rate: float) -> float:
        """How long so many calls should take at most, where the engine made `rate` a second (0: not known)."""
        return 3 * calls / rate if rate else 10.0

    def rows_each(self, users: int) -> int:
        """Rows that each client of a tool may consume where every call consumes one."""
        return max(10, int(2_000 * self.seconds * 10 / users))


LENGTHS: Mapping[str, Length] = {
    "quick": Length(
        seconds=0.2,
        pairs=1,
        tpcb_s=2,
        block_calls=10_000,
        api_tools=("ab",),
        new_connections=False,
        least_each=2,
        longest_s=30.0,
    ),
    "standard": Length(seconds=1.0, pairs=3, tpcb_s=10, block_calls=50_000),
    "full": Length(seconds=5.0, pairs=3, tpcb_s=60, block_calls=100_000),
}
"""By profile. Blocks are as published: 60 s of TPC-B, redis-benchmark's own 100,000 calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where the tools of one service run: what is asked, a private folder, the programs, the guest if one is let in."""

    service: Service
    folder: Path
    programs: Mapping[Tool, Path]
    length: Length
    guest: str = ""

    def run(
        self,
        tool: Tool,
        arguments: Sequence[str | int | Path],
        *,
        expected_s: float,
        environment: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a tool in the folder, see `execution.run`; raises `ToolFailed` also where it is not here any more."""
        if tool not in self.programs:
            raise ToolFailed(
                f"expected {tool}, which was here when the run was planned, found it gone. "
                f"To get it: {how_to_get_tool(tool)}"
            )
        command = [self.programs[tool], *arguments]
        return run(command, folder=self.folder, expected_s=expected_s, environment=environment)


Attempt = Callable[[Bench, float], tuple[Mapping[str, Result], Finished]]
"""
Runs a tool once, having heard how many calls a second the engine made. Returns a result for each operation.

Raises `ToolFailed` or `ForeignResults`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """
    One run of a tool. `benchmark` is what its reason is kept with if it fails.

    `operation` is the one of ours that is asked, if one is: its data is made ready before each run. `objects` are what
    the tool makes beside ours.
    """

    benchmark: Benchmark
    attempt: Attempt
    seconds: float = 0.0
    most_calls: int = 0
    objects: Sequence[str] = ()
    operation: Operation | None = None

    @property
    def cost(self) -> Cost:
        """What it takes, without a bound: a tool is ended by us only when it hangs."""
        seconds = self.seconds + STARTUP_S
        return Cost(
            measured_s=self.seconds, expected_s=seconds, longest_s=seconds, most_calls=self.most_calls
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternation:
    """
    Engine, tools, engine, tools, …, engine: every run of a tool has a round of the engine right before and after it.

    `after` is run at the end, where the engine's calls were answered.
    """

    engine: BenchmarkStep
    runs: Sequence[ToolRun]
    after: ToolRun | None = None

    @property
    def cost(self) -> Cost:
        """What all turns take; of calls, those of the tools."""
        turns = [run.cost for run in self.runs for _ in range(self.engine.rounds - 1)]
        after = [self.after.cost] if self.after else []
        return together([replace(self.engine.cost, most_calls=None), *turns, *after])


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """Why a tool has no result."""

    benchmark: Benchmark
    why: str


ToolStep = ToolRun | Alternation | NotRun


def too_late(step: ToolStep, expected_s: float) -> NotRun:
    """The same step, left out because those before it took longer than all should."""
    why = f"the tools took longer than the {expected_s:.0f} s that were planned"
    match step:
        case NotRun():
            return step
        case ToolRun():
            return NotRun(benchmark=step.benchmark, why=why)
        case Alternation():
            return NotRun(benchmark=step.runs[0].benchmark, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPlan:
    """What the tools do with one service. Where one needs a `guest`, it is let in while they run."""

    service: Service
    session: Session
    length: Length
    steps: Sequence[ToolStep]

    @property
    def guest(self) -> bool:
        """Whether a tool runs that takes passwords on its command line only."""
        return "redis-benchmark" in self.tools

    @property
    def runs(self) -> list[ToolRun]:
        """Every run of a tool, each once however many turns it has."""
        found: list[ToolRun] = []
        for step in self.steps:
            if isinstance(step, ToolRun):
                found.append(step)
            elif isinstance(step, Alternation):
                found += [*step.runs, *([step.after] if step.after else [])]
        return found

    @property
    def tools(self) -> list[str]:
        """The tools that run, each once."""
        return [*dict.fromkeys(run.benchmark.instrument for run in self.runs)]

    @property
    def objects(self) -> list[str]:
        """What the tools make beside what is ours, and the guest."""
        guest = self.session.guest_objects() if self.guest else ()
        return [*dict.fromkeys([*(name for run in self.runs for name in run.objects), *guest])]

    @property
    def cost(self) -> Cost:
        """What all of it takes."""
        return together(step.cost for step in self.steps if not isinstance(step, NotRun))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    What tools can ask of one service: what its steps are planned from.

    `absent` are the tools that are not here, and how to get each. `managed` stacks are those that we started.
    """

    target: Measurable
    managed: bool
    length: Length
    warmup_s: float
    absent: Mapping[Tool, str]

    def benchmark(self, operation: str, users: int, tool: Tool) -> Benchmark:
        """What a tool measures."""
        return Benchmark(self.target.service.name, operation, Load(users), tool)

    def turns(
        self, name: str, users: int, attempts: Mapping[Tool, Attempt], after: ToolRun | None = None
    ) -> Iterator[ToolStep]:
        """
        Turns of tools and the engine with one operation, and why any of the tools has none.

        Users are those that no other stage measures the operation with, so that the engine's rounds here are
        benchmarks of their own.
        """
        operation = next((one for one in self.target.operations if one.name == name), None)
        unknown = f"{self.target.service.name} does not answer {name} as it should"
        for tool in attempts:
            if operation is None or tool in self.absent:
                why = unknown if operation is None else self.absent[tool]
                yield NotRun(benchmark=self.benchmark(name, users, tool), why=why)
        here: list[Tool] = [tool for tool in attempts if tool not in self.absent]
        if operation is None or not here:
            return
        call_s = self.target.speed.call_s(operation, users)
        turns = Alternation(
            engine=BenchmarkStep(
                benchmark=Benchmark(self.target.service.name, name, Load(users), "engine"),
                operation=operation,
                session=self.target.session,
                seconds=self.length.seconds,
                warmup_s=self.warmup_s,
                rounds=self.length.pairs + 1,
                call_s=call_s,
                reset_s=self.target.speed.reset_s(operation),
            ),
            runs=[
                ToolRun(
                    benchmark=self.benchmark(name, users, tool),
                    attempt=attempts[tool],
                    seconds=max(self.length.seconds, self.length.least_each * call_s),
                    most_calls=MOST_CALLS,
                    operation=operation,
                )
                for tool in here
            ],
            after=after,
        )
        took_s = turns.cost.expected_s
        if self.length.longest_s is None or took_s <= self.length.longest_s:
            yield turns
            return
        for tool in here:
            why = f"it would take {took_s:.0f} s, and this profile has {self.length.longest_s:.0f} s. A longer one measures it"
            yield NotRun(benchmark=self.benchmark(name, users, tool), why=why)
