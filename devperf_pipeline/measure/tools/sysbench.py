"""What does sysbench say, with its histogram?"""

import re

from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import Text

BUCKET = re.compile(r"^\s+([0-9.]+) \|[* ]*\s(\d+)\s*$")
SHARES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)


def summary(text: Text) -> Result:
    """What a run prints. Percentiles come from its histogram (--histogram), whose steps are about 2 %."""
    if found := text.maybe(r"^FATAL: (.+)$"):
        text.complain(found[0], "a run that ended", found[1][1], "sysbench measured nothing.")
    line, threads = text.find(r"^Number of threads: (\d+)", '"Number of threads:"')
    users = text.count(line, threads[1])
    line, events = text.find(r"^\s+total number of events:\s+(\d+)", '"total number of events:"')
    n = text.count(line, events[1])
    line, time = text.find(r"^\s+total time:\s+([0-9.]+)s", '"total time:"')
    elapsed_ns = text.duration_ns(line, time[1], "s")
    line, mean = text.find(r"^\s+avg:\s+([0-9.]+)", '"avg:"')
    mean_ns = text.duration_ns(line, mean[1], "ms")
    quantiles = _quantiles(text)
    for share, label in ((0.0, "min"), (1.0, "max")):
        line, extreme = text.find(rf"^\s+{label}:\s+([0-9.]+)", f'"{label}:"')
        quantiles[share] = text.duration_ns(line, extreme[1], "ms")
    if stated := text.maybe(r"^\s+(\d+)th percentile:\s+([0-9.]+)"):
        share = text.count(stated[0], stated[1][1]) / 100
        quantiles.setdefault(share, text.duration_ns(stated[0], stated[1][2], "ms"))
    ignored = text.maybe(r"^\s+ignored errors:\s+(\d+)")
    errors = text.count(ignored[0], ignored[1][1]) if ignored else 0
    return Result(
        title="sysbench",
        users=users,
        n=n,
        errors=errors,
        elapsed_ns=elapsed_ns,
        throughput_per_s=n / (elapsed_ns / 1e9) if elapsed_ns else None,
        mean_ns=mean_ns,
        quantiles=quantiles,
        about={"version": text.word(r"^sysbench (\S+)") or "unknown", "threads": str(users)},
        problem=f"{errors:,} errors" if errors > 0.01 * n else None if n else "nothing was answered",
    )


def _quantiles(text: Text) -> dict[float, int]:
    buckets = [
        (text.duration_ns(line, found[1], "ms"), text.count(line, found[2]))
        for line, row in text.lines
        if (found := BUCKET.match(row))
    ]
    total = sum(count for _, count in buckets)
    quantiles: dict[float, int] = {}
    for share in SHARES if total else ():
        seen = 0
        for latency_ns, count in buckets:
            seen += count
            if seen >= share * total:
                quantiles[share] = latency_ns
                break
    return quantiles
