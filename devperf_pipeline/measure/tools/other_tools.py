"""What do tools say that are not run here, and whose results people have: hey, autocannon, mysqlslap?"""

import json
from dataclasses import replace
from typing import Any

from devperf_pipeline.measure.tools.result import (
    AT_A_FIXED_RATE,
    Result,
    from_calls,
    in_order,
    outcome_of,
    too_many,
)
from devperf_pipeline.measure.tools.text import Text, shown

HEY = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset"

MYSQLSLAP = r"^\w*,\w+,[0-9.]+,[0-9.]+,[0-9.]+,\d+,\d+$"

AUTOCANNON_SHARES = {
    "p50": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p97_5": 0.975,
    "p99": 0.99,
    "p99_9": 0.999,
    "p99_99": 0.9999,
}


def hey(text: Text) -> Result:
    """Every call, in seconds with four decimals."""
    rows: list[tuple[int, int, int]] = []
    for line, row in list(text.lines)[1:]:
        fields = row.split(",")
        if len(fields) != 8:
            text.complain(line, "eight columns", str(len(fields)), "Is it whole?")
        took, offset = text.duration_ns(line, fields[0], "s"), text.duration_ns(line, fields[7], "s")
        rows.append((offset + took, took, outcome_of(text.count(line, fields[6]))))
    if not rows:
        text.complain(2, "a call", "the end of the text", "Is it whole?")
    result = from_calls(in_order(rows, wall=False), "GET", steps="100000")
    return replace(
        result, about={**result.about, "users": "from the calls in flight at once: the file does not say"}
    )


def autocannon(text: Text) -> Result:
    """What autocannon -j prints: whole milliseconds."""
    line = next(text.lines)[0]
    try:
        found = json.loads(text.first)
    except (ValueError, RecursionError):
        text.complain(line, "JSON on one line", "something else", "Is it whole?")

    def number(*keys: str) -> float:
        value: Any = found
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            text.complain(line, f"a number called {'.'.join(keys)}", repr(value)[:60])
        return text.number(line, str(value))

    def milliseconds(key: str) -> int:
        return text.duration_ns(line, str(number("latency", key)), "ms")

    n = round(number("requests", "total"))
    errors = round(number("non2xx") + number("errors") + number("timeouts"))
    corrected = number("latency", "totalCount") != number("requests", "total")
    failing = too_many(errors, n, "requests did not end with success")
    path = "/" + str(found.get("url", "")).partition("://")[2].partition("/")[2]
    return Result(
        title=f"GET {shown(path)}",
        users=round(number("connections")),
        n=n,
        errors=min(n, errors),
        elapsed_ns=text.duration_ns(line, str(number("duration")), "s"),
        throughput_per_s=number("requests", "average"),
        mean_ns=milliseconds("mean"),
        quantiles={share: milliseconds(key) for key, share in AUTOCANNON_SHARES.items()},
        about={"steps": "1000000", "path": shown(path), "pipelining": str(number("pipelining"))},
        problem=failing or (AT_A_FIXED_RATE if corrected else None),
    )


def mysqlslap(text: Text) -> list[Result]:
    """One result a line: only how long all queries took together."""
    results: list[Result] = []
    for line, row in text.lines:
        if not Text("", row).has(MYSQLSLAP):
            text.complain(line, "engine, type, three times, clients, queries", repr(row[:60]), "Is it whole?")
        _, kind, mean, low, high, clients, queries = row.split(",")
        users = text.count(line, clients)
        n = users * text.count(line, queries)
        elapsed_ns = text.duration_ns(line, mean, "s")
        results.append(
            Result(
                title=f"queries ({shown(kind)})",
                users=users,
                n=n,
                elapsed_ns=elapsed_ns,
                throughput_per_s=n / (elapsed_ns / 1e9) if elapsed_ns else None,
                about={"shortest iteration": f"{shown(low)} s", "longest iteration": f"{shown(high)} s"},
            )
        )
    return results
