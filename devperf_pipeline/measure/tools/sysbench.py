"""What does sysbench say, with its histogram?"""

import re

from devperf_pipeline.measure.tools.result import Result, too_many
from devperf_pipeline.measure.tools.text import Text

BUCKET = re.compile(r"^\s+([0-9.]+) \|[* ]*\s(\d+)\s*$")
SHARES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)


def summary(text: Text) -> Result:
    """What a run prints. Percentiles come from its histogram (--histogram), whose steps are about 2 %."""
    if found := text.maybe(r"^FATAL: (.+)$"):
        text.complain(found.line, "a run that ended", found[1], "sysbench measured nothing.")
    users = text.find(r"^Number of threads: (\d+)", '"Number of threads:"').count()
    n = text.find(r"^\s+total number of events:\s+(\d+)", '"total number of events:"').count()
    elapsed_ns = text.find(r"^\s+total time:\s+([0-9.]+)s", '"total time:"').time_ns("s")
    mean_ns = text.find(r"^\s+avg:\s+([0-9.]+)", '"avg:"').time_ns("ms")
    quantiles = _quantiles(text)
    for share, label in ((0.0, "min"), (1.0, "max")):
        quantiles[share] = text.find(rf"^\s+{label}:\s+([0-9.]+)", f'"{label}:"').time_ns("ms")
    if stated := text.maybe(r"^\s+(\d+)th percentile:\s+([0-9.]+)"):
        quantiles.setdefault(stated.count() / 100, stated.time_ns("ms", 2))
    errors = text.count_of(r"^\s+ignored errors:\s+(\d+)")
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
        problem=too_many(errors, n, "events were errors") if n else "nothing was answered",
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
