"""
How do tools and the engine ask the same service in turns?

Step by step as planned, on the same cores with the same users. What a tool cannot do costs its own rows, and says so.
"""

from devperf_pipeline.errors import ForeignResults
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.measure.steps import BenchmarkStep
from devperf_pipeline.measure.tools.execution import Finished, ToolFailed
from devperf_pipeline.measure.tools.result import Result, too_many, with_problem
from devperf_pipeline.measure.tools.steps import Alternation, Bench, NotRun, ToolRun, ToolStep
from devperf_pipeline.model import Benchmark, Outcome


class Turns:
    """Executes the steps of the tools at one service, and keeps what they say."""

    def __init__(self, context: RunContext, bench: Bench) -> None:
        self._context = context
        self._bench = bench
        self._engine_cpu = ""

    def take(self, step: ToolStep) -> None:
        """Execute one step; raises `Cancelled` where somebody asked to stop."""
        if isinstance(step, NotRun):
            self.not_run(step.benchmark, step.why)
        elif isinstance(step, ToolRun):
            self._run(step, 1)
        else:
            self._alternate(step)

    def not_run(self, benchmark: Benchmark, why: str, number: int = 1) -> None:
        """Keep why a tool has no result."""
        result = Result(title=benchmark.operation, users=benchmark.load.users, problem=why)
        self._context.sink.keep_stated(result.stated(benchmark, number, 0))

    def _alternate(self, step: Alternation) -> None:
        rate = 0.0
        for number in range(1, step.engine.rounds + 1):
            rate, problem = self._engine(step.engine, number)
            for run in step.runs if number < step.engine.rounds else ():
                self._run(run, number, rate=rate, problem=problem)
        if step.after and rate:
            self._run(step.after, 1, rate=rate)

    def _run(self, step: ToolRun, number: int, *, rate: float = 0.0, problem: str | None = None) -> None:
        """Run a tool once and keep what it says. `problem` is what the engine found wrong just before."""
        users = step.benchmark.load.users
        placement = self._context.placement.choose(users)
        if step.operation is not None and step.operation.reset is not None:
            step.operation.reset(users, self._bench.length.rows_each(users))
        try:
            results, finished = step.attempt(self._bench, rate)
        except (ToolFailed, ForeignResults) as error:
            self.not_run(step.benchmark, str(error), number)
        else:
            for operation, result in results.items():
                benchmark = Benchmark(
                    step.benchmark.service, operation, step.benchmark.load, step.benchmark.instrument
                )
                self._keep(benchmark, number, with_problem(result, problem), finished, placement)
        self._context.check_cancelled()

    def _keep(
        self, benchmark: Benchmark, number: int, result: Result, finished: Finished, placement: str
    ) -> None:
        """Keep one result, with how busy tool and engine were: its summary, and its calls where it tells of every one."""
        about = {"placement": placement, "client cpu": f"{finished.client_share:.2f}"}
        if self._engine_cpu:
            about["engine cpu"] = self._engine_cpu
        round_ = result.round(benchmark, number, finished.began_at_ns, placement)
        if round_ is not None:
            self._context.sink.keep(round_)
        self._context.sink.keep_stated(result.stated(benchmark, number, finished.began_at_ns, **about))

    def _engine(self, step: BenchmarkStep, number: int) -> tuple[float, str | None]:
        """One round of the engine: its calls a second, and what is wrong with the answers, if anything."""
        measurer = self._context.measurer
        last = self._context.keep(measurer.measure(step, number))
        self._context.check_cancelled()
        share = measurer.client_share
        self._engine_cpu = "" if share is None else f"{share:.2f}"
        wrong = sum(outcome != Outcome.OK for outcome in last.outcome)
        problem = last.problem or too_many(wrong, len(last.outcome), "answers to the engine were not right")
        rate = len(last.latency_ns) / (last.elapsed_ns / 1e9) if last.elapsed_ns else 0.0
        return rate, None if problem is None else f"just before, the engine found: {problem}"
