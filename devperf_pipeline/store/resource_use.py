"""What do the readings of one baseline come to? Its rows of the tables `resources` and `memory_per_request`."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import polars as pl

from devperf_pipeline.store.line_fit import slope
from devperf_pipeline.store.summary import Row, read_rows

RESOURCES = {
    **dict.fromkeys(("baseline_id", "service", "category", "phase", "benchmark"), pl.String),
    **dict.fromkeys(("users", "readings"), pl.Int32),
    **dict.fromkeys(("seconds", "cpu_p5", "cpu_p50", "cpu_p95", "cpu_mean"), pl.Float64),
    **dict.fromkeys(("rss_bytes", "rss_max_bytes", "pss_bytes", "vsz_bytes"), pl.Int64),
    **dict.fromkeys(("processes", "threads", "descriptors"), pl.Int32),
    **dict.fromkeys(("read_per_s", "written_per_s", "received_per_s", "sent_per_s"), pl.Float64),
    "limit_bytes": pl.Int64,
    "oom_kills": pl.Int32,
    "source": pl.String,
}

MEMORY = {
    **dict.fromkeys(("baseline_id", "service", "measure"), pl.String),
    **dict.fromkeys(("points", "users_max"), pl.Int32),
    **dict.fromkeys(("bytes_per_request", "low_bytes", "high_bytes"), pl.Float64),
    "tells": pl.Boolean,
    "verdict": pl.String,
}

LEAST_POINTS = 5
"""Fewer points give no interval."""


def summarise(
    con: duckdb.DuckDBPyConnection, readings: Path, baseline_id: str
) -> tuple[list[Row], list[Row]]:
    """
    The rows of `resources` and of `memory_per_request`; none where nothing was read.

    Raises:
        StoreError: the file cannot be read.

    """
    if not readings.exists():
        return [], []
    resources = [{"baseline_id": baseline_id, **row} for row in read_rows(con, "summary_resources", readings)]
    return resources, _memory(resources)


def _memory(resources: Sequence[Row]) -> list[Row]:
    """Per service and measure a line through the medians of its steps: readings of one step are not independent."""
    rows: list[Row] = []
    held = [row for row in resources if row["phase"] == "held"]
    for service in dict.fromkeys(row["service"] for row in held):
        steps = [row for row in held if row["service"] == service]
        for measure in ("rss", "pss"):
            points = [(row["users"], row[f"{measure}_bytes"]) for row in steps]
            points = [(users, size) for users, size in points if size is not None]
            if points:
                names = {
                    "baseline_id": steps[0]["baseline_id"],
                    "service": service,
                    "measure": measure,
                }
                rows.append({**names, **_line(points)})
    return rows


def _line(points: Sequence[tuple[int, int]]) -> Row:
    found = slope(points) if len(points) >= LEAST_POINTS else None
    tells, verdict = (
        False,
        f"cannot tell: read at {len(points)} numbers of requests, {LEAST_POINTS} are needed",
    )
    if found is not None and found.low is not None and found.high is not None:
        tells = found.low > 0
        verdict = (
            "grows with each request"
            if tells
            else "cannot tell: memory fell while requests were added"
            if found.high < 0
            else "cannot tell: the slope is inside its error"
        )
    return {
        "points": len(points),
        "users_max": max(users for users, _ in points),
        "bytes_per_request": found.value if found else None,
        "low_bytes": found.low if found else None,
        "high_bytes": found.high if found else None,
        "tells": tells,
        "verdict": verdict,
    }
