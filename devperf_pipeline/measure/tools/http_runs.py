"""How do ab, wrk and h2load load one route of an API?"""

import math
from functools import partial

from devperf_pipeline.measure.tools import ab, h2load, wrk
from devperf_pipeline.measure.tools.alternation import Attempt, Bench
from devperf_pipeline.measure.tools.execution import Finished, run
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import Tool

USERS = 100

NEW_CONNECTIONS = "-new-connections"
"""What the operation is called where every call makes a connection of its own."""


def measure(bench: Bench) -> None:
    """
    Each tool and the engine in alternation; in longer profiles ab once more as people run it, with a connection for
    each call.
    """
    for name, path in bench.session.tool_scripts().items():
        url = f"http://{bench.service.address}{path}"
        attempts: dict[Tool, Attempt] = {
            "ab": partial(_ab, bench, url, ("-k",)),
            "wrk": partial(_wrk, bench, url),
            "h2load": partial(_h2load, bench, url),
        }
        chosen: dict[Tool, Attempt] = {
            tool: attempt for tool, attempt in attempts.items() if tool in bench.length.api_tools
        }
        rate = bench.alternate(name, USERS, chosen)
        if bench.length.new_connections and "ab" in bench.programs and rate:
            connecting = bench.benchmark(f"{name}{NEW_CONNECTIONS}", USERS, "ab")
            bench.attempt(connecting, 1, partial(_ab, bench, url, ()), rate=rate)


def _ab(bench: Bench, url: str, options: tuple[str, ...], rate: float) -> tuple[Result, Finished]:
    percentiles = bench.folder / "percentiles.csv"
    percentiles.unlink(missing_ok=True)
    calls = bench.calls(rate, USERS)
    finished = run(
        [
            *(bench.programs["ab"], *options, "-q", "-l", "-r", "-s", "10", "-e", percentiles),
            *("-n", str(calls), "-c", str(USERS), url),
        ],
        folder=bench.folder,
        expected_s=_expected_s(calls, rate),
    )
    result = ab.summary(Text("ab", finished.text))
    if not percentiles.exists():
        return result, finished
    return ab.refined(result, ab.percentiles(Text("ab -e", percentiles.read_text()))), finished


def _wrk(bench: Bench, url: str, rate: float) -> tuple[Result, Finished]:
    # It takes whole seconds, and where answers take longer than that, some more of them.
    seconds = max(1, math.ceil(bench.calls(rate, USERS) / rate) if rate else 1)
    finished = run(
        [
            *(bench.programs["wrk"], "--latency", "--timeout", "10s", "-t1"),
            *(f"-c{USERS}", f"-d{seconds}s", url),
        ],
        folder=bench.folder,
        expected_s=seconds,
    )
    return wrk.summary(Text("wrk", finished.text)), finished


def _h2load(bench: Bench, url: str, rate: float) -> tuple[Result, Finished]:
    log = bench.folder / "calls.log"
    log.unlink(missing_ok=True)
    calls = bench.calls(rate, USERS)
    finished = run(
        [
            *(bench.programs["h2load"], "--h1", "-t", "1", f"--log-file={log}"),
            *("-n", str(calls), "-c", str(USERS), url),
        ],
        folder=bench.folder,
        expected_s=_expected_s(calls, rate),
    )
    result = h2load.summary(Text("h2load", finished.text))
    return result.told_by(h2load.calls(Text("h2load --log-file", log.read_text()))), finished


def _expected_s(calls: int, rate: float) -> float:
    return 3 * calls / rate if rate else 10.0
