"""What does redis-benchmark say: as CSV, in short (-q), in full, of a node or of a cluster?"""

import csv
import re
from collections.abc import Iterator

from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import Text, shown

HEADER = [
    "test",
    "rps",
    "avg_latency_ms",
    "min_latency_ms",
    "p50_latency_ms",
    "p95_latency_ms",
    "p99_latency_ms",
    "max_latency_ms",
]
SHARES = (0.0, 0.5, 0.95, 0.99, 1.0)
STEPS = "8000"
"""Its histogram has steps of 8 µs where latencies are short."""

LOOKS_NS = "250000000"
"""With --cluster its threads see only every 250 ms whether all calls are done: so much too long may a run seem."""

QUIET = re.compile(r"^(.{1,200}): ([0-9.]+) requests per second, p50=([0-9.]+) msec\s*$")
FULL = re.compile(r"^====== (.{1,200}) ======\s*$")


def from_csv(text: Text) -> list[Result]:
    """One result a line. Neither users nor the number of calls are in it."""
    header = text.find(r'^"test","rps"', "the header of redis-benchmark --csv").line
    cluster = text.word(r"^Cluster has (\d+) master nodes")
    results: list[Result] = []
    for line, row in text.after(header - 1):
        if not row.strip():
            continue
        fields = next(csv.reader([row], strict=False))
        if line == header:
            if fields != HEADER:
                text.complain(line, f"the columns {', '.join(HEADER)}", ", ".join(fields))
            continue
        if len(fields) != len(HEADER):
            text.complain(line, f"{len(HEADER)} columns", f"{len(fields)}", "Is it whole?")
        mean_ns, *rest = (text.duration_ns(line, field, "ms") for field in fields[2:])
        per_second = text.number(line, fields[1])
        results.append(
            Result(
                title=shown(fields[0]),
                throughput_per_s=per_second,
                mean_ns=mean_ns,
                quantiles=dict(zip(SHARES, rest, strict=True)),
                about={
                    "steps": STEPS,
                    **({"cluster": f"{cluster} nodes", "looks every": LOOKS_NS} if cluster else {}),
                },
                problem=None if per_second else "nothing was answered",
            )
        )
    if not results:
        text.complain(header + 1, "a line for each command", "the end of the text", "Is it whole?")
    return results


def from_quiet(text: Text) -> list[Result]:
    """One result a command: throughput and p50."""
    results: list[Result] = []
    for line, row in text.lines:
        if found := QUIET.match(row):
            results.append(
                Result(
                    title=shown(found[1]),
                    throughput_per_s=text.number(line, found[2]),
                    quantiles={0.5: text.duration_ns(line, found[3], "ms")},
                    about={"steps": STEPS},
                )
            )
    return results


def from_full(text: Text) -> list[Result]:
    """One result a command, with its whole distribution."""
    return [_full(text, start, title) for start, title in _titles(text)]


def _titles(text: Text) -> Iterator[tuple[int, str]]:
    for line, row in text.lines:
        if found := FULL.match(row):
            yield line, shown(found[1])


def _full(text: Text, start: int, title: str) -> Result:
    n = elapsed_ns = users = 0
    quantiles: dict[float, int] = {}
    per_second = mean_ns = None
    for line, row in text.after(start):
        if FULL.match(row):
            break
        if found := re.match(r"^\s+(\d+) requests completed in ([0-9.]+) seconds", row):
            n, elapsed_ns = text.count(line, found[1]), text.duration_ns(line, found[2], "s")
        elif found := re.match(r"^\s+(\d+) parallel clients", row):
            users = text.count(line, found[1])
        elif row.startswith("Cumulative distribution"):
            continue
        elif found := re.match(r"^([0-9.]+)% <= ([0-9.]+) milliseconds", row):
            # Of both ladders the first is finer, and what it says of a share stays.
            quantiles.setdefault(text.number(line, found[1]) / 100, text.duration_ns(line, found[2], "ms"))
        elif found := re.match(r"^\s+throughput summary: ([0-9.]+) requests per second", row):
            per_second = text.number(line, found[1])
        elif per_second is not None and (found := re.match(r"^\s+([0-9.]+)(\s+[0-9.]+){5}\s*$", row)):
            mean_ns = text.duration_ns(line, found[1], "ms")
    if per_second is None or not n:
        text.complain(start, f"a summary of {title}", "none", "Is it whole?")
    return Result(
        title=title,
        users=users,
        n=n,
        elapsed_ns=elapsed_ns,
        throughput_per_s=per_second,
        mean_ns=mean_ns,
        quantiles=quantiles,
        about={"steps": STEPS},
    )
