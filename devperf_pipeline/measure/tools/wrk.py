"""What does wrk say of a run with --latency?"""

from devperf_pipeline.measure.tools.result import Result, too_many
from devperf_pipeline.measure.tools.text import DURATION, Text


def summary(text: Text) -> Result:
    """What wrk prints; its percentiles come from a histogram of microseconds, printed with two decimals."""
    where = text.find(r"^Running .+ test @ \S+?://[^/\s]+(/?\S*)", '"Running … test @ URL"')
    setting = text.find(r"^\s+(\d+) threads and (\d+) connections", "threads and connections")
    done = text.find(rf"^\s+(\d+) requests in {DURATION}", '"… requests in …"')
    n, elapsed_ns = done.count(), done.time_ns(group=2)
    per_second = text.find(r"^Requests/sec:\s+(\S+)", '"Requests/sec:"').number()
    mean_ns = text.find(rf"^\s+Latency\s+{DURATION}\s", "the mean latency").time_ns()
    quantiles: dict[float, int] = {}
    for share in (50, 75, 90, 99):
        row = text.find(rf"^\s+{share}%\s+{DURATION}", f"{share} % of the latency (run with --latency)")
        quantiles[share / 100] = row.time_ns()
    path = where[1] or "/"
    errors = text.count_of(r"^\s+Non-2xx or 3xx responses: (\d+)")
    problem = f"{errors:,} of {n:,} answers were no success (not 2xx or 3xx)" if errors else None
    if found := text.maybe(r"^\s+Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)"):
        broken = sum(map(found.count, range(1, 5)))
        errors += broken
        problem = problem or too_many(broken, n, "calls lost their connection")
    return Result(
        title=f"GET {path}",
        users=setting.count(2),
        n=n,
        errors=min(n, errors),
        elapsed_ns=elapsed_ns,
        throughput_per_s=per_second,
        mean_ns=mean_ns,
        quantiles=quantiles,
        about={"path": path, "threads": setting[1], "steps": "10000"},
        problem=problem or ("no request was answered" if not n else None),
    )
