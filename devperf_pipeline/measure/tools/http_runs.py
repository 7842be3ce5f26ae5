"""How do ab, wrk and h2load load one route of an API?"""

import math
from collections.abc import Iterator
from functools import partial

from devperf_pipeline.measure.tools import ab, h2load, wrk
from devperf_pipeline.measure.tools.execution import Finished
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.steps import MOST_CALLS, Asked, Attempt, Bench, ToolRun, ToolStep
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import Tool

USERS = 100

NEW_CONNECTIONS = "-new-connections"
"""What the operation is called where every call makes a connection of its own."""


def plan(asked: Asked) -> Iterator[ToolStep]:
    """
    Each tool and the engine in alternation; in longer profiles ab once more as people run it, with a connection for
    each call.
    """
    length = asked.length
    for name, path in asked.target.session.tool_scripts().items():
        url = f"http://{asked.target.service.address}{path}"
        attempts: dict[Tool, Attempt] = {
            "ab": partial(_ab, name=name, url=url, options=("-k",)),
            "wrk": partial(_wrk, name=name, url=url),
            "h2load": partial(_h2load, name=name, url=url),
        }
        connecting = f"{name}{NEW_CONNECTIONS}"
        after = ToolRun(
            benchmark=asked.benchmark(connecting, USERS, "ab"),
            attempt=partial(_ab, name=connecting, url=url),
            seconds=length.seconds,
            most_calls=MOST_CALLS,
        )
        yield from asked.turns(
            name,
            USERS,
            {tool: attempt for tool, attempt in attempts.items() if tool in length.api_tools},
            after if length.new_connections and "ab" not in asked.absent else None,
        )


def _ab(
    bench: Bench, rate: float, *, name: str, url: str, options: tuple[str, ...] = ()
) -> tuple[dict[str, Result], Finished]:
    percentiles = bench.folder / "percentiles.csv"
    percentiles.unlink(missing_ok=True)
    calls = bench.length.calls(rate, USERS)
    finished = bench.run(
        "ab",
        [*options, "-q", "-l", "-r", "-s", 10, "-e", percentiles, "-n", calls, "-c", USERS, url],
        expected_s=bench.length.expected_s(calls, rate),
    )
    result = ab.summary(Text("ab", finished.text))
    if percentiles.exists():
        result = ab.refined(result, ab.percentiles(Text("ab -e", percentiles.read_text())))
    return {name: result}, finished


def _wrk(bench: Bench, rate: float, *, name: str, url: str) -> tuple[dict[str, Result], Finished]:
    # It takes whole seconds, and where answers take longer than that, some more of them.
    seconds = max(1, math.ceil(bench.length.calls(rate, USERS) / rate) if rate else 1)
    arguments = ["--latency", "--timeout", "10s", "-t1", f"-c{USERS}", f"-d{seconds}s", url]
    finished = bench.run("wrk", arguments, expected_s=seconds)
    return {name: wrk.summary(Text("wrk", finished.text))}, finished


def _h2load(bench: Bench, rate: float, *, name: str, url: str) -> tuple[dict[str, Result], Finished]:
    log = bench.folder / "calls.log"
    log.unlink(missing_ok=True)
    calls = bench.length.calls(rate, USERS)
    finished = bench.run(
        "h2load",
        ["--h1", "-t", 1, f"--log-file={log}", "-n", calls, "-c", USERS, url],
        expected_s=bench.length.expected_s(calls, rate),
    )
    result = h2load.summary(Text("h2load", finished.text))
    return {name: result.told_by(h2load.calls(Text("h2load --log-file", log.read_text())))}, finished
