"""What do the readings of one baseline come to? Its rows of the tables `resources` and `memory_per_request`."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from devperf_pipeline.store.line_fit import slope
from devperf_pipeline.store.parquet_rows import Row, ask_file

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
    resources = [{"baseline_id": baseline_id, **row} for row in ask_file(con, "summary_resources", readings)]
    return resources, _memory(resources)


def _memory(resources: Sequence[Row]) -> list[Row]:
    """Per service and measure a line through the medians of its steps: readings of one step are not independent."""
    rows: list[Row] = []
    in_flight = [row for row in resources if row["phase"] == "held"]
    for service in dict.fromkeys(row["service"] for row in in_flight):
        steps = [row for row in in_flight if row["service"] == service]
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
