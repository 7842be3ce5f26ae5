"""What do the sustained loads of one baseline come to? Its rows of the tables `load_tests` and `knees`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from devperf_pipeline.model import CLIENT_FULL
from devperf_pipeline.store.parquet_rows import Row, ask_file, read_rows
from devperf_pipeline.store.saturation import Point, knee_of
from devperf_pipeline.store.schema import relation


def load_tests(
    con: duckdb.DuckDBPyConnection,
    sustained: Path,
    samples: Path | None,
    rounds: Sequence[Row],
    percentiles: Sequence[Row],
) -> list[Row]:
    """
    One row for each sustained benchmark, users rising, from its rows of `rounds` and `percentiles`.

    There is none where no file says how they were driven (`sustained`). Without `samples` (set aside) the ladder is
    empty and n is zero.

    Raises:
        StoreError: a file cannot be read.

    """
    if not sustained.exists():
        return []
    driven = {row["benchmark"]: row for row in read_rows(con, sustained, relation("sustained.parquet"))}
    ladders: Mapping[str, Row] = {}
    if samples is not None:
        ladders = {row["benchmark"]: row for row in ask_file(con, "summary_ladder", samples)}
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
    return {
        **pooled,
        **driven,
        **ladder,
        "elapsed_ns": elapsed_ns,
        "failed": pooled["errors"],
        "non_success": ladder.get("non_success", 0),
        "mean_across_users_ns": elapsed_ns / pooled["n"] if pooled["n"] else None,
        "at_limit": driven["client_share"] >= CLIENT_FULL,
    }
