"""How does redis-benchmark ask a Redis: its own block of commands, and one operation in alternation with the engine?"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from devperf_pipeline.measure.tools import redis_benchmark
from devperf_pipeline.measure.tools.execution import Finished
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.steps import Asked, Bench, NotRun, ToolRun, ToolStep
from devperf_pipeline.measure.tools.text import Text, slug

USERS = 50
"""Its own default; the published block says nothing else."""

BLOCK = ("PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET")
"""The published lines, in their order."""

SLOWEST_PER_S = 500
"""A server that answers fewer calls a second than this is not waited for."""

USUAL_PER_S = 50_000
"""What a line of the block is expected to reach."""

NOT_OURS = (
    "its commands write keys such as mylist and key:__rand_int__, which may be somebody's here: "
    "it is run on stacks that this project starts alone"
)


def operation_of(title: str) -> str:
    """What a line of the block is called: `benchmark-set`."""
    return f"benchmark-{slug(title)}"


def plan(asked: Asked) -> Iterator[ToolStep]:
    """
    The block, then an operation of ours.

    The block's keys have no prefix of ours: on a stack that others use it is refused.
    """
    block = asked.benchmark(operation_of(BLOCK[0]), USERS, "redis-benchmark")
    why = asked.absent.get("redis-benchmark") if asked.managed else NOT_OURS
    if why is not None:
        yield NotRun(benchmark=block, why=why)
        return
    calls = asked.length.block_calls
    yield ToolRun(
        benchmark=block,
        attempt=_block,
        most_calls=len(BLOCK) * calls,
        seconds=len(BLOCK) * calls / USUAL_PER_S,
    )
    for name, words in asked.target.session.tool_scripts().items():
        yield from asked.turns(
            name, USERS, {"redis-benchmark": partial(_one, name=name, words=words.split())}
        )


def _block(bench: Bench, _rate: float) -> tuple[dict[str, Result], Finished]:
    """Every line of one run is a benchmark of its own."""
    results, finished = _run(bench, bench.length.block_calls, ["-t", ",".join(BLOCK).lower()])
    return {operation_of(result.title): result for result in results}, finished


def _one(bench: Bench, rate: float, *, name: str, words: list[str]) -> tuple[dict[str, Result], Finished]:
    results, finished = _run(bench, bench.length.calls(rate, USERS), words)
    return {name: results[0]}, finished


def _run(bench: Bench, calls: int, more: list[str]) -> tuple[list[Result], Finished]:
    """It takes passwords on its command line only: the guest's is any."""
    lines = len(BLOCK) if more[0] == "-t" else 1
    address = bench.service.address
    cluster = ["--cluster"] if bench.service.kind == "redis_cluster" else []
    finished = bench.run(
        "redis-benchmark",
        [
            *(("-s", address.host) if address.is_unix else ("-h", address.host, "-p", address.port)),
            *(*cluster, "--user", bench.guest, "-a", "any"),
            *("-c", USERS, "-n", calls, "--csv", *more),
        ],
        expected_s=lines * calls / SLOWEST_PER_S,
    )
    results = redis_benchmark.from_csv(Text("redis-benchmark", finished.text))
    return [_counted(result, calls) for result in results], finished


def _counted(result: Result, calls: int) -> Result:
    """What its CSV does not say, and we do: how many calls by how many clients."""
    per_second = result.throughput_per_s
    elapsed_ns = round(calls / per_second * 1e9) if per_second else 0
    return replace(result, users=USERS, n=calls, elapsed_ns=elapsed_ns)
