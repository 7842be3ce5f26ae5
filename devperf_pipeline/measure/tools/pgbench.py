"""What does pgbench say: its summary, its line for each transaction (-l), its sums of intervals (--aggregate-interval)?"""

import itertools
import re
from dataclasses import replace

from devperf_pipeline.measure.tools.result import AT_A_FIXED_RATE, Calls, Result, from_calls, in_order
from devperf_pipeline.measure.tools.text import Found, Text, shown
from devperf_pipeline.model import Outcome

TRANSACTION = re.compile(
    r"(\d{1,9}) \d{1,16} (\d{1,16}|failed|skipped|serialization|deadlock) \d{1,4} (\d{1,11}) (\d{1,6})( \d{1,16})?( \d{1,9})?"
)
"""Client, number, microseconds, script, end (seconds, microseconds), with -R how late it began, with retries how many."""

AGGREGATE = re.compile(r"(\d{9,11}) (\d{1,16}) (\d{1,16}) \d{1,24} (\d{1,16}) (\d{1,16})( \d{1,24})*")


def failure(text: Text) -> Result:
    """What pgbench said when it gave up."""
    text.complain(1, "a run that ended", text.first, "pgbench measured nothing.")


def summary(text: Text) -> Result:
    """What pgbench prints: means alone. It may end with status 0 after clients of it gave up."""

    def value(label: str) -> Found:
        return text.find(rf"^{label}: (\S+)", f'"{label}:"')

    users, threads = value("number of clients").count(), value("number of threads").count()
    done = value("number of transactions actually processed")
    processed, _, asked = done[1].partition("/")
    n = text.count(done.line, processed)
    failed = text.count_of(r"^number of failed transactions: (\d+)")
    if not n:
        return Result(title=_title(text), users=users, problem="no transaction was processed")
    mean_ns = text.find(r"^latency average = ([0-9.]+) ms", '"latency average = … ms"').time_ns("ms")
    per_second = text.find(r"^tps = ([0-9.]+)", '"tps = …"').number()
    about = {
        "scale": value("scaling factor")[1],
        "threads": str(threads),
        "query mode": value("query mode")[1],
        "version": text.word(r"^pgbench \((.+)\)$") or "unknown",
    }
    for name, pattern in {
        "duration": r"^duration: (.+)$",
        "initial connection time": r"^initial connection time = (.+)$",
        "schedule lag": r"^rate limit schedule lag: (.+)$",
    }.items():
        if found := text.word(pattern):
            about[name] = found
    problem = None
    if asked and n < text.count(done.line, asked):
        problem = f"clients gave up: {n:,} of {int(asked):,} transactions were processed"
    elif failed:
        problem = f"{failed:,} transactions failed"
    elif "schedule lag" in about:
        problem = AT_A_FIXED_RATE
    return Result(
        title=_title(text),
        users=users,
        n=n + failed,
        errors=failed,
        elapsed_ns=round(n / per_second * 1e9) if per_second else 0,
        throughput_per_s=per_second,
        mean_ns=mean_ns,
        about=about,
        problem=problem,
    )


def log(text: Text) -> Result:
    """Every transaction, its latency in microseconds; its clients are counted."""
    clients: set[str] = set()
    rows: list[tuple[int, int, int]] = []
    rated = False
    for line, row in text.lines:
        found = TRANSACTION.fullmatch(row)
        if found is None:
            text.complain(
                line, "a transaction: client, number, µs, script, seconds, µs", repr(row[:60]), "Is it whole?"
            )
        client, took, seconds, micros, late, _ = found.groups()
        clients.add(client)
        rated = rated or late is not None
        right = took.isdecimal()
        end_ns = text.count(line, seconds) * 10**9 + int(micros) * 1_000
        rows.append(
            (end_ns, text.count(line, took) * 1_000 if right else 0, Outcome.OK if right else Outcome.ERROR)
        )
    result = from_calls(in_order(rows, wall=True), "transaction")
    return replace(result, users=len(clients), problem=AT_A_FIXED_RATE if rated else None)


def calls(text: Text) -> Calls:
    """The transactions alone."""
    found = log(text).calls
    assert found is not None
    return found


def aggregate(text: Text) -> Result:
    """Sums of intervals: calls, mean and extremes; no percentile can be told from them."""
    n = total_us = 0
    least, most, moments = [], [], []
    for line, row in text.lines:
        found = AGGREGATE.fullmatch(row)
        if found is None:
            text.complain(line, "the sums of an interval", repr(row[:60]), "Is it whole?")
        moment, count, summed, low, high, _ = found.groups()
        moments.append(text.count(line, moment))
        n += text.count(line, count)
        total_us += text.count(line, summed)
        least.append(text.count(line, low) * 1_000)
        most.append(text.count(line, high) * 1_000)
    steps = {b - a for a, b in itertools.pairwise(moments)}
    each_s = min(steps) if steps and min(steps) > 0 else 1
    elapsed_ns = (moments[-1] - moments[0] + each_s) * 10**9
    return Result(
        title="transaction",
        users=max(1, round(total_us * 1_000 / elapsed_ns)),
        n=n,
        elapsed_ns=elapsed_ns,
        throughput_per_s=n / (elapsed_ns / 1e9),
        mean_ns=round(total_us * 1_000 / n) if n else None,
        quantiles={0.0: min(least), 1.0: max(most)},
        about={"users": "from throughput times mean latency: the file does not say"},
        problem=None if n else "no transaction was processed",
    )


def _title(text: Text) -> str:
    name = shown(text.find(r"^transaction type: (.+)$", '"transaction type:"')[1])
    return "TPC-B" if name.startswith("<builtin: TPC-B") else name.strip("<>").rpartition("/")[2]
