"""What does h2load say: its summary, and its line for each call (--log-file)?"""

from devperf_pipeline.measure.tools.result import Calls, Result, from_calls, in_order, outcome_of, too_many
from devperf_pipeline.measure.tools.text import DURATION, Text

TIMES = rf"{DURATION}\s+" * 3
"""Shortest, longest, mean."""


def summary(text: Text) -> Result:
    """What h2load prints: extremes and mean, no percentiles."""
    clients = 0
    for line, row in text.lines:
        if found := Text("", row).maybe(r"^spawning thread #\d+: (\d+) total client"):
            clients += text.count(line, found[1])
    done = text.find(rf"^finished in {DURATION}, ([0-9.]+) req/s", '"finished in …"')
    calls = text.find(
        r"^requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, \d+ failed", '"requests: …"'
    )
    total, succeeded = calls.count(), calls.count(2)
    codes = text.find(r"^status codes: (\d+) 2xx", '"status codes: …"')
    success = min(succeeded, codes.count())
    took = text.find(rf"^time for request:\s+{TIMES}", '"time for request:"')
    errors = total - success
    return Result(
        title="GET",
        users=clients,
        n=total,
        errors=errors,
        elapsed_ns=done.time_ns(),
        throughput_per_s=done.number(3),
        mean_ns=took.time_ns(group=5),
        quantiles={0.0: took.time_ns(), 1.0: took.time_ns(group=3)},
        about={"protocol": text.word(r"^Application protocol: (\S+)") or "unknown"},
        problem=too_many(errors, total, "requests did not end with success"),
    )


def log(text: Text) -> Result:
    """Every call: when it began (microseconds since 1970), its status (-1: none), how long it took in microseconds."""
    return from_calls(calls(text), "GET")


def calls(text: Text) -> Calls:
    """The same, as calls."""
    rows: list[tuple[int, int, int]] = []
    for line, row in text.lines:
        fields = row.split("\t")
        if len(fields) != 3:
            text.complain(line, "begin, status and duration", repr(row[:60]), "Is it whole?")
        begin, status, took = fields
        failed = status.startswith("-")
        latency = text.count(line, took.lstrip("-")) * 1_000
        rows.append(
            (
                text.count(line, begin) * 1_000 + latency,
                latency,
                outcome_of(0 if failed else text.count(line, status)),
            )
        )
    if not rows:
        text.complain(1, "a call", "the end of the text", "Is it whole?")
    return in_order(rows, wall=True)
