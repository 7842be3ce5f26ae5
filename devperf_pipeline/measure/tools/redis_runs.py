"""How does redis-benchmark ask a Redis: its own block of commands, and one operation in alternation with the engine?"""

from dataclasses import replace
from functools import partial

from devperf_pipeline.errors import ForeignResults
from devperf_pipeline.measure.tools import redis_benchmark
from devperf_pipeline.measure.tools.alternation import Bench
from devperf_pipeline.measure.tools.execution import Finished, ToolFailed, run
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import Text, slug

USERS = 50
"""Its own default; the published block says nothing else."""

BLOCK = (
    "PING_INLINE",
    "PING_MBULK",
    "SET",
    "GET",
    "INCR",
    "LPUSH",
    "RPUSH",
    "LPOP",
    "RPOP",
    "SADD",
    "HSET",
)
"""The published lines, in their order."""

SLOWEST_PER_S = 500
"""A server that answers fewer calls a second than this is not waited for."""


def operation_of(title: str) -> str:
    """What a line of the block is called: `benchmark-set`."""
    return f"benchmark-{slug(title)}"


def measure(bench: Bench) -> None:
    """
    The block, then an operation of ours.

    The block's keys have no prefix of ours: on a stack that others use it is refused.
    """
    first = operation_of(BLOCK[0])
    if not bench.context.stack.managed:
        bench.not_run(
            first,
            USERS,
            "redis-benchmark",
            "its commands write keys such as mylist and key:__rand_int__, which may be somebody's here: "
            "it is run on stacks that this project starts alone",
        )
        return
    if "redis-benchmark" not in bench.programs:
        bench.not_run(first, USERS, "redis-benchmark", bench.absent["redis-benchmark"])
        return
    with bench.session.guest() as guest:
        _block(bench, guest)
        for name, words in bench.session.tool_scripts().items():
            bench.alternate(name, USERS, {"redis-benchmark": partial(_one, bench, guest, words.split())})


def _block(bench: Bench, guest: str) -> None:
    """Every line of one run is a benchmark of its own."""
    placement = bench.context.placement.choose(USERS)
    calls = bench.length.block_calls
    try:
        results, finished = _run(bench, guest, calls, ["-t", ",".join(BLOCK).lower()])
    except (ToolFailed, ForeignResults) as error:
        bench.not_run(operation_of(BLOCK[0]), USERS, "redis-benchmark", str(error))
        return
    for result in results:
        benchmark = bench.benchmark(operation_of(result.title), USERS, "redis-benchmark")
        bench.keep(benchmark, 1, result, finished, placement)
    bench.context.check_cancelled()


def _one(bench: Bench, guest: str, words: list[str], rate: float) -> tuple[Result, Finished]:
    results, finished = _run(bench, guest, bench.calls(rate, USERS), words)
    return results[0], finished


def _run(bench: Bench, guest: str, calls: int, more: list[str]) -> tuple[list[Result], Finished]:
    """It takes passwords on its command line only: the guest's is any."""
    lines = len(BLOCK) if more[0] == "-t" else 1
    address = bench.service.address
    cluster = ["--cluster"] if bench.service.kind == "redis_cluster" else []
    finished = run(
        [
            *(bench.programs["redis-benchmark"], "-h", address.host, "-p", str(address.port), *cluster),
            *("--user", guest, "-a", "any", "-c", str(USERS), "-n", str(calls), "--csv", *more),
        ],
        folder=bench.folder,
        expected_s=lines * calls / SLOWEST_PER_S,
    )
    results = redis_benchmark.from_csv(Text("redis-benchmark", finished.text))
    return [_counted(result, calls) for result in results], finished


def _counted(result: Result, calls: int) -> Result:
    """What its CSV does not say, and we do: how many calls by how many clients."""
    per_second = result.throughput_per_s
    elapsed_ns = round(calls / per_second * 1e9) if per_second else 0
    return replace(result, users=USERS, n=calls, elapsed_ns=elapsed_ns)
