"""
What do the samples of one baseline come to? Its rows of the tables `rounds` and `percentiles`.

Percentiles are exact: nearest rank over every call of the row, failed ones included, never averaged.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import Baseline, Outcome
from devperf_pipeline.services.operation import FLOOR
from devperf_pipeline.store import confidence
from devperf_pipeline.store.sql_files import statement
from devperf_pipeline.store.validity import Evidence, why_invalid

Row = dict[str, Any]

TIME = pl.Datetime("us", "UTC")

BUSY = 0.3
"""A machine of whose cores other processes used more than this share measures them too."""

FIGURES = {
    "n": pl.Int64,
    "errors": pl.Int64,
    "throughput_per_s": pl.Float64,
    "mean_ns": pl.Float64,
    **{f"{name}_ns": pl.Int64 for name in ("min", "p50", "p90", "p95", "p99", "p999", "max")},
}

NAMES = {
    "baseline_id": pl.String,
    "service": pl.String,
    "operation": pl.String,
    "benchmark": pl.String,
    "instrument": pl.String,
    "users": pl.Int32,
    "load": pl.String,
}

ROUNDS = {
    **NAMES,
    "round": pl.Int32,
    "began_at": TIME,
    "elapsed_ns": pl.Int64,
    **FIGURES,
    "placement": pl.String,
    "other_cpu": pl.Float64,
    "problem": pl.String,
}

PERCENTILES = {
    **NAMES,
    "title": pl.String,
    "position": pl.Int32,
    "rounds": pl.Int32,
    **FIGURES,
    "valid": pl.Boolean,
    "invalid_reason": pl.String,
    "p95_low_ns": pl.Int64,
    "p95_high_ns": pl.Int64,
    "p95_bounds": pl.String,
    "floor_p50_ns": pl.Int64,
    "busy_rounds": pl.Int32,
    "placement": pl.String,
    "measured_at": TIME,
}


def moment(epoch_ns: int) -> datetime:
    """The wall clock as a date, to the microsecond."""
    return datetime.fromtimestamp(epoch_ns // 10**9, UTC).replace(microsecond=epoch_ns % 10**9 // 1000)


def read_rounds(con: duckdb.DuckDBPyConnection, path: Path) -> list[Row]:
    """
    What rounds.parquet says, warm-ups included.

    Raises:
        StoreError: it cannot be read.

    """
    return read_rows(con, "summary_about", path)


def check_warmups(con: duckdb.DuckDBPyConnection, path: Path, about: Sequence[Row]) -> None:
    """
    See whether the warm-ups are those that were written.

    Raises:
        StoreError: they are not, or cannot be read.

    """
    _compare(read_rows(con, "summary_rounds", path), [row for row in about if row["phase"] == "warmup"], path)


def summarise(
    con: duckdb.DuckDBPyConnection, samples: Path | None, about: Sequence[Row], baseline: Baseline
) -> tuple[list[Row], list[Row]]:
    """
    The rows of `rounds` and of `percentiles`. Without `samples` (set aside) every n is zero.

    Raises:
        StoreError: the samples cannot be read, or are not those that were written.

    """
    measured = [row for row in about if row["phase"] == "measured"]
    by_round: Mapping[Any, Row] = {}
    pooled: Mapping[str, Row] = {}
    if samples is not None:
        found = read_rows(con, "summary_rounds", samples)
        _compare(found, measured, samples)
        by_round = {(row["benchmark"], row["round"]): row for row in found}
        pooled = {row["benchmark"]: row for row in read_rows(con, "summary_benchmarks", samples)}
        if any(row["degraded"] for row in pooled.values()):
            for row in read_rows(con, "summary_ladder", samples):
                pooled[row["benchmark"]]["degraded_from_s"] = row["degraded_from_s"]

    groups: dict[str, list[Row]] = defaultdict(list)
    for row in measured:
        figures = _figures(by_round.get((row["benchmark"], row["round"])), row["elapsed_ns"])
        names = {name: row[name] for name in NAMES if name != "baseline_id"}
        extra = {name: row[name] for name in ("round", "elapsed_ns", "placement", "other_cpu", "problem")}
        groups[row["benchmark"]].append(
            {"baseline_id": baseline.id, **names, **extra, "began_at": moment(row["began_at_ns"]), **figures}
        )
    percentiles = [_pool(rounds, pooled.get(name), baseline) for name, rounds in sorted(groups.items())]
    _bound(con, samples, percentiles, groups)
    floors = {
        (row["service"], row["instrument"]): row["p50_ns"]
        for row in percentiles
        if row["operation"] == FLOOR and row["users"] == 1 and row["valid"]
    }
    for row in percentiles:
        row["floor_p50_ns"] = floors.get((row["service"], row["instrument"]))
    return [row for _, rounds in sorted(groups.items()) for row in rounds], percentiles


def read_rows(con: duckdb.DuckDBPyConnection, name: str, path: Path, **parameters: Any) -> list[Row]:
    """
    What the statement of that name makes of one file of a baseline.

    Raises:
        StoreError: the file cannot be read.

    """
    try:
        result = con.execute(statement(name), {"file": str(path), **parameters})
        columns = [column[0] for column in result.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
    except duckdb.Error as error:
        reason = str(error).strip().split("\n")[0]
        raise StoreError(
            f"{path} should be Parquet that this project wrote, and cannot be read ({reason})"
        ) from error


def _compare(found: Sequence[Row], about: Sequence[Row], path: Path) -> None:
    """Every call that was kept must be there, with the latency it had."""
    sums: dict[tuple[str, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in about:
        calls, total = sums[row["benchmark"], row["round"]]
        sums[row["benchmark"], row["round"]] = (calls + row["calls"], total + row["latency_sum_ns"])
    expected = {key: value for key, value in sums.items() if value[0]}
    actual = {(row["benchmark"], row["round"]): (row["n"], row["latency_sum_ns"]) for row in found}
    if expected != actual:
        raise StoreError(f"{path} does not hold the calls that rounds.parquet beside it says were kept")


def _figures(found: Row | None, elapsed_ns: int) -> Row:
    """The columns that rounds and percentiles share. Throughput counts the calls that ended well."""
    if found is None:
        return dict.fromkeys(FIGURES) | {"n": 0, "errors": 0}
    throughput = found["ok"] / (elapsed_ns / 1e9) if elapsed_ns > 0 else None
    return {name: found.get(name) for name in FIGURES} | {"throughput_per_s": throughput}


def _pool(rounds: Sequence[Row], found: Row | None, baseline: Baseline) -> Row:
    """One benchmark of the baseline: all its rounds together."""
    first = rounds[0]
    elapsed_ns = sum(row["elapsed_ns"] for row in rounds)
    placements = sorted({row["placement"] for row in rounds})
    reason = why_invalid(
        Evidence(
            users=first["users"],
            n=found["n"] if found else 0,
            elapsed_ns=elapsed_ns,
            latency_sum_ns=found["latency_sum_ns"] if found else 0,
            outcomes={outcome: found[outcome.name.lower()] for outcome in Outcome} if found else {},
            problems=[row["problem"] for row in rounds if row["problem"]],
            placements=placements,
            rounds=len(rounds),
            degraded_from_s=found.get("degraded_from_s") if found else None,
        )
    )
    name = f"{first['service']}/{first['operation']}"
    return {
        **{column: first[column] for column in NAMES},
        "title": baseline.operations.get(name, first["operation"]),
        "position": list(baseline.operations).index(name) if name in baseline.operations else 0,
        "rounds": len(rounds),
        **_figures(found, elapsed_ns),
        "valid": reason is None,
        "invalid_reason": reason,
        "placement": ", ".join(placements),
        "busy_rounds": sum((row["other_cpu"] or 0) > BUSY for row in rounds),
        "measured_at": max(row["began_at"] for row in rounds),
    }


def _bound(
    con: duckdb.DuckDBPyConnection,
    samples: Path | None,
    percentiles: Sequence[Row],
    groups: Mapping[str, Sequence[Row]],
) -> None:
    """Fill in how well each p95 is known: across rounds where they are long and many enough, else from the samples."""
    wanted: dict[str, tuple[int, int]] = {}
    for row in percentiles:
        rounds = groups[row["benchmark"]]
        enough = all(found["n"] >= confidence.LEAST_SAMPLES for found in rounds)
        interval = confidence.from_rounds([found["p95_ns"] for found in rounds]) if enough else None
        row["p95_low_ns"], row["p95_high_ns"] = _possible(row, interval) if interval else (None, None)
        row["p95_bounds"] = "rounds" if interval else None
        ranks = None if interval else confidence.ranks(row["n"])
        if ranks:
            wanted[row["benchmark"]] = ranks
    if samples is None or not wanted:
        return
    names = [name for name in wanted for _ in range(2)]
    numbers = [rank for pair in wanted.values() for rank in pair]
    at = {
        (row["benchmark"], row["rank"]): row["latency_ns"]
        for row in read_rows(con, "summary_ranks", samples, benchmarks=names, ranks=numbers)
    }
    for row in percentiles:
        if row["benchmark"] in wanted:
            low, high = wanted[row["benchmark"]]
            interval = at[row["benchmark"], low], at[row["benchmark"], high]
            row["p95_low_ns"], row["p95_high_ns"] = _possible(row, interval)
            row["p95_bounds"] = "samples"


def _possible(row: Row, interval: tuple[int, int]) -> tuple[int, int]:
    return confidence.possible(interval, p50_ns=row["p50_ns"], p95_ns=row["p95_ns"], max_ns=row["max_ns"])
