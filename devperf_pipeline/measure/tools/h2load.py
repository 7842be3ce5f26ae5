"""What does h2load say: its summary, and its line for each call (--log-file)?"""

from devperf_pipeline.measure.tools.result import Calls, Result, from_calls, in_order, outcome_of
from devperf_pipeline.measure.tools.text import Text


def summary(text: Text) -> Result:
    """What h2load prints: extremes and mean, no percentiles."""
    clients = 0
    for line, row in text.lines:
        if found := Text("", row).maybe(r"^spawning thread #\d+: (\d+) total client"):
            clients += text.count(line, found[1][1])
    line, done = text.find(r"^finished in ([0-9.]+)(us|ms|s|m|h), ([0-9.]+) req/s", '"finished in …"')
    elapsed_ns, per_second = text.duration_ns(line, done[1], done[2]), text.number(line, done[3])
    line, calls = text.find(
        r"^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed", '"requests: …"'
    )
    total, succeeded = text.count(line, calls[1]), text.count(line, calls[3])
    line, codes = text.find(r"^status codes: (\d+) 2xx", '"status codes: …"')
    success = min(succeeded, text.count(line, codes[1]))
    unit = r"([0-9.]+)(us|ms|s|m|h)\s+"
    line, took = text.find(rf"^time for request:\s+{unit}{unit}{unit}", '"time for request:"')
    quantiles = {0.0: text.duration_ns(line, took[1], took[2]), 1.0: text.duration_ns(line, took[3], took[4])}
    errors = total - success
    return Result(
        title="GET",
        users=clients,
        n=total,
        errors=errors,
        elapsed_ns=elapsed_ns,
        throughput_per_s=per_second,
        mean_ns=text.duration_ns(line, took[5], took[6]),
        quantiles=quantiles,
        about={"protocol": text.word(r"^Application protocol: (\S+)") or "unknown"},
        problem=f"{errors:,} of {total:,} requests did not end with success"
        if errors > 0.01 * total
        else None,
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
