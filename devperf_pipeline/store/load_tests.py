"""What do the sustained loads of one baseline come to? Its rows of the tables `load_tests` and `knees`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from devperf_pipeline.model import CLIENT_FULL
from devperf_pipeline.store.saturation import Point, knee_of
from devperf_pipeline.store.summary import Row, read_rows

LADDER = ("p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "max")

LOAD_TESTS = {
    **dict.fromkeys(("baseline_id", "service", "operation", "benchmark"), pl.String),
    "users": pl.Int32,
    "limit_calls": pl.Int64,
    "limit_s": pl.Float64,
    "elapsed_ns": pl.Int64,
    **dict.fromkeys(("n", "failed", "non_success"), pl.Int64),
    **dict.fromkeys(("throughput_per_s", "mean_ns", "mean_across_users_ns"), pl.Float64),
    **{f"{name}_ns": pl.Int64 for name in LADDER},
    "valid": pl.Boolean,
    "invalid_reason": pl.String,
    "degraded_from_s": pl.Float64,
    "client_share": pl.Float64,
    "engine_processes": pl.Int32,
    "idle_cores": pl.Float64,
    "at_limit": pl.Boolean,
}

KNEES = {
    **dict.fromkeys(("baseline_id", "service", "operation"), pl.String),
    "knee_users": pl.Int32,
    "knee_throughput_per_s": pl.Float64,
    "reason": pl.String,
}


def load_tests(
    con: duckdb.DuckDBPyConnection,
    stretches: Path,
    samples: Path | None,
    rounds: Sequence[Row],
    percentiles: Sequence[Row],
) -> list[Row]:
    """
    One row for each sustained benchmark, users rising, from its rows of `rounds` and `percentiles`.

    There is none where no file says how they were driven (`stretches`). Without `samples` (set aside) the ladder is
    empty and n is zero.

    Raises:
        StoreError: a file cannot be read.

    """
    if not stretches.exists():
        return []
    driven = {row["benchmark"]: row for row in read_rows(con, "summary_stretches", stretches)}
    ladders: Mapping[str, Row] = {}
    if samples is not None:
        ladders = {row["benchmark"]: row for row in read_rows(con, "summary_ladder", samples)}
    elapsed: dict[str, int] = defaultdict(int)
    for row in rounds:
        elapsed[row["benchmark"]] += row["elapsed_ns"]
    found = [
        _row(row, driven[row["benchmark"]], ladders.get(row["benchmark"], {}), elapsed[row["benchmark"]])
        for row in percentiles
        if row["benchmark"] in driven
    ]
    return sorted(found, key=lambda row: (row["service"], row["operation"], row["users"]))


def knees(rows: Sequence[Row]) -> list[Row]:
    """One row for each operation of `load_tests` that was swept."""
    swept: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        swept[row["baseline_id"], row["service"], row["operation"]].append(row)
    found: list[Row] = []
    for (baseline_id, service, operation), points in swept.items():
        knee = knee_of(
            [
                Point(
                    row["users"], row["throughput_per_s"], row["p50_ns"], row["at_limit"], row["elapsed_ns"]
                )
                for row in points
                if row["valid"]
            ]
        )
        invalid = ", ".join(f"{row['users']:,}" for row in points if not row["valid"])
        found.append(
            {
                "baseline_id": baseline_id,
                "service": service,
                "operation": operation,
                "knee_users": knee.users,
                "knee_throughput_per_s": knee.throughput_per_s,
                "reason": f"{knee.reason} (not valid: {invalid} users)" if invalid else knee.reason,
            }
        )
    return found


def _row(pooled: Row, driven: Row, ladder: Row, elapsed_ns: int) -> Row:
    known: dict[str, Any] = {**pooled, **driven, **ladder, "elapsed_ns": elapsed_ns}
    known["failed"] = pooled["errors"]
    known["non_success"] = ladder.get("non_success", 0)
    known["mean_across_users_ns"] = elapsed_ns / pooled["n"] if pooled["n"] else None
    known["at_limit"] = driven["client_share"] >= CLIENT_FULL
    return {name: known.get(name) for name in LOAD_TESTS}
