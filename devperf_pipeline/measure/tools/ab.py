"""What does ab (ApacheBench) say: its summary, its percentiles (-e) and its list of times (-g)?"""

from dataclasses import replace

from devperf_pipeline.measure.tools.result import Result, too_many
from devperf_pipeline.measure.tools.text import Found, Text

MS = 1_000_000

TIMES_RANKS = (0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
"""The shares that ab itself prints."""


def summary(text: Text) -> Result:
    """What ab prints. Its percentiles are whole milliseconds."""

    def value(label: str) -> Found:
        return text.find(rf"^{label}:\s+(\S+)", f'"{label}:" as ab prints it when it has measured')

    users = value("Concurrency Level").count()
    n = value("Complete requests").count()
    failed = value("Failed requests").count()
    # It calls an answer failed that is not as long as the first: a body with a time in it varies.
    other_length = text.count_of(r"^\s+\(Connect: \d+, Receive: \d+, Length: (\d+), Exceptions: \d+\)")
    elapsed_ns = value("Time taken for tests").time_ns("s")
    per_second = value("Requests per second").number()
    each = text.find(r"^Time per request:\s+(\S+) \[ms\] \(mean\)$", '"Time per request:"')
    non_success = text.count_of(r"^Non-2xx responses:\s+(\S+)")
    path = text.word(r"^Document Path:\s+(.+)") or "/"
    kept = text.maybe(r"^Keep-Alive requests:\s+(\S+)")
    about = {
        "path": path,
        "server": text.word(r"^Server Software:\s+(.+)") or "unknown",
        "version": text.word(r"^This is ApacheBench, Version (\S+)") or "unknown",
        "failed": str(failed),
        "answers of another length": str(other_length),
        "non-2xx": str(non_success),
        "kept connections": f"{kept.count()} of {n}" if kept else "none",
        "protocol": "HTTP/1.0",
    }
    return Result(
        title=f"GET {path}",
        users=users,
        n=n,
        errors=min(n, failed - other_length + non_success),
        elapsed_ns=elapsed_ns,
        throughput_per_s=per_second,
        mean_ns=each.time_ns("ms"),
        quantiles=_ladder(text),
        about={**about, "steps": str(MS)},
        problem=_problem(n, failed - other_length, non_success),
    )


def percentiles(text: Text) -> Result:
    """What ab -e writes: a time for each percent, to the microsecond; neither calls nor users."""
    quantiles: dict[float, int] = {}
    line = 1
    for line, row in list(text.lines)[1:]:
        share, _, milliseconds = row.partition(",")
        percent = text.count(line, share)
        if percent > 100:
            text.complain(line, "a percentage", repr(share))
        quantiles[percent / 100] = text.duration_ns(line, milliseconds, "ms")
    if 1.0 not in quantiles:
        text.complain(line + 1, "percentages up to 100", f"{len(quantiles)} of them", "Is it whole?")
    # ab writes a column of nothing but zeros where it finished too little.
    return Result(title="percentiles of ab", quantiles=quantiles, about={"steps": "1000"})


def times(text: Text) -> Result:
    """What ab -g writes: whole milliseconds of every call, sorted by how long they took, not by when they were."""
    latencies: list[int] = []
    for line, row in list(text.lines)[1:]:
        fields = row.split("\t")
        if len(fields) != 6:
            text.complain(line, "six columns", f"{len(fields)}", "Is it whole?")
        latencies.append(text.duration_ns(line, fields[4], "ms"))
    if not latencies:
        text.complain(2, "a call", "the end of the text", "Is it whole?")
    latencies.sort()
    n = len(latencies)
    return Result(
        title="times of ab",
        n=n,
        mean_ns=round(sum(latencies) / n),
        quantiles={share: latencies[max(0, -int(-share * n // 1) - 1)] for share in TIMES_RANKS},
        about={"steps": str(MS), "order": "sorted by duration: when each call was is not in the file"},
    )


def refined(result: Result, finer: Result) -> Result:
    """A summary with the percentiles that -e wrote beside it."""
    return replace(result, quantiles=finer.quantiles, about={**result.about, **finer.about})


def _ladder(text: Text) -> dict[float, int]:
    line = text.find(r"^Percentage of the requests served", "the percentages of requests").line
    quantiles: dict[float, int] = {}
    for number, row in text.after(line):
        fields = row.replace("(longest request)", "").split()
        if len(fields) != 2 or not fields[0].endswith("%"):
            break
        quantiles[text.count(number, fields[0][:-1]) / 100] = text.duration_ns(number, fields[1], "ms")
    if 1.0 not in quantiles:
        text.complain(line + 1 + len(quantiles), "percentages up to 100%", "another line", "Is it whole?")
    return quantiles


def _problem(n: int, failed: int, non_success: int) -> str | None:
    if not n:
        return "no request was completed"
    if non_success:
        return f"{non_success:,} of {n:,} answers were no success (not 2xx)"
    return too_many(failed, n, "requests failed")
