"""What does wrk say of a run with --latency?"""

from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import Text

DURATION = r"([0-9.]+)(us|ms|s|m|h)"


def summary(text: Text) -> Result:
    """What wrk prints; its percentiles come from a histogram of microseconds, printed with two decimals."""
    _, where = text.find(r"^Running .+ test @ \S+?://[^/\s]+(/?\S*)", '"Running … test @ URL"')
    line, setting = text.find(r"^\s+(\d+) threads and (\d+) connections", "threads and connections")
    users = text.count(line, setting[2])
    line, done = text.find(rf"^\s+(\d+) requests in {DURATION}", '"… requests in …"')
    n, elapsed_ns = text.count(line, done[1]), text.duration_ns(line, done[2], done[3])
    line, rate = text.find(r"^Requests/sec:\s+(\S+)", '"Requests/sec:"')
    per_second = text.number(line, rate[1])
    line, mean = text.find(rf"^\s+Latency\s+{DURATION}\s", "the mean latency")
    mean_ns = text.duration_ns(line, mean[1], mean[2])
    quantiles: dict[float, int] = {}
    for share in (50, 75, 90, 99):
        line, row = text.find(rf"^\s+{share}%\s+{DURATION}", f"{share} % of the latency (run with --latency)")
        quantiles[share / 100] = text.duration_ns(line, row[1], row[2])
    path = where[1] or "/"
    problem, errors = None, 0
    if found := text.maybe(r"^\s+Non-2xx or 3xx responses: (\d+)"):
        errors = text.count(found[0], found[1][1])
        problem = f"{errors:,} of {n:,} answers were no success (not 2xx or 3xx)"
    if found := text.maybe(r"^\s+Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)"):
        broken = sum(text.count(found[0], part) for part in found[1].groups())
        errors += broken
        problem = problem or (f"{broken:,} errors of connections" if broken > 0.01 * n else None)
    return Result(
        title=f"GET {path}",
        users=users,
        n=n,
        errors=min(n, errors),
        elapsed_ns=elapsed_ns,
        throughput_per_s=per_second,
        mean_ns=mean_ns,
        quantiles=quantiles,
        about={"path": path, "threads": setting[1], "steps": "10000"},
        problem=problem or ("no request was answered" if not n else None),
    )
