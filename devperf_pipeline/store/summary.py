"""
What do the samples of one baseline come to? Its rows of the tables `rounds` and `percentiles`.

Percentiles are exact: nearest rank over every call of the row, failed ones included, never averaged.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import P95_CALLS, Baseline, Outcome, Phase
from devperf_pipeline.services.operation import FLOOR
from devperf_pipeline.store import confidence
from devperf_pipeline.store.parquet_rows import Row, ask_file
from devperf_pipeline.store.validity import Evidence, why_invalid

BUSY = 0.3
"""A machine of whose cores other processes used more than this share measures them too."""

THROTTLING = ("periods", "throttled_periods", "throttled_ns")
"""The columns of a round that say what a CPU limit did."""

NAMES = ("baseline_id", "service", "operation", "benchmark", "instrument", "users", "load")
"""The columns that say which benchmark of which baseline a row is about."""


def moment(epoch_ns: int) -> datetime:
    """The wall clock as a date, to the microsecond."""
    return datetime.fromtimestamp(epoch_ns // 10**9, UTC).replace(microsecond=epoch_ns % 10**9 // 1000)


def check_calls(
    con: duckdb.DuckDBPyConnection, path: Path, kept: Sequence[Row], phase: Phase
) -> Sequence[Row]:
    """
    The figures of each round in a file of calls, if these are the calls that were kept in that phase (rounds.parquet).

    Raises:
        StoreError: they are not, or cannot be read.

    """
    # Several warm-ups may have come before one round.
    expected: dict[tuple[str, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in kept:
        if row["phase"] == phase and row["calls"]:
            calls, total = expected[row["benchmark"], row["round"]]
            expected[row["benchmark"], row["round"]] = (calls + row["calls"], total + row["latency_sum_ns"])
    found = ask_file(con, "summary_calls", path, by_round=True)
    if expected != {(row["benchmark"], row["round"]): (row["n"], row["latency_sum_ns"]) for row in found}:
        raise StoreError(f"{path} does not hold the calls that rounds.parquet beside it says were kept")
    return found


def summarise(
    con: duckdb.DuckDBPyConnection, samples: Path | None, kept: Sequence[Row], baseline: Baseline
) -> tuple[list[Row], list[Row]]:
    """
    The rows of `rounds` and of `percentiles`. Without `samples` (set aside) every n is zero.

    Raises:
        StoreError: the samples cannot be read, or are not those that were written.

    """
    by_round: Mapping[Any, Row] = {}
    pooled: Mapping[str, Row] = {}
    if samples is not None:
        found = check_calls(con, samples, kept, "measured")
        by_round = {(row["benchmark"], row["round"]): row for row in found}
        pooled = {row["benchmark"]: row for row in ask_file(con, "summary_calls", samples, by_round=False)}
        if any(row["degraded"] for row in pooled.values()):
            for row in ask_file(con, "summary_ladder", samples):
                pooled[row["benchmark"]]["degraded_from_s"] = row["degraded_from_s"]

    groups: dict[str, list[Row]] = defaultdict(list)
    for row in kept:
        if row["phase"] == "measured":
            figures = _figures(by_round.get((row["benchmark"], row["round"])), row["elapsed_ns"])
            names = {"baseline_id": baseline.id, "began_at": moment(row["began_at_ns"])}
            groups[row["benchmark"]].append({**figures, **row, **names})
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


def _figures(found: Row | None, elapsed_ns: int) -> Row:
    """The columns that rounds and percentiles share. Throughput counts the calls that ended well."""
    if found is None:
        return {"n": 0, "errors": 0, **dict.fromkeys(("throughput_per_s", "p50_ns", "p95_ns"))}
    return {**found, "throughput_per_s": found["ok"] / (elapsed_ns / 1e9) if elapsed_ns > 0 else None}


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
        **_figures(found, elapsed_ns),
        **{column: first[column] for column in NAMES},
        "title": baseline.operations.get(name, first["operation"]),
        "position": list(baseline.operations).index(name) if name in baseline.operations else 0,
        "plan": baseline.plans.get(name),
        "rounds": len(rounds),
        "valid": reason is None,
        "invalid_reason": reason,
        "placement": ", ".join(placements),
        **{column: _sum(row.get(column) for row in rounds) for column in THROTTLING},
        "busy_rounds": sum((row["other_cpu"] or 0) > BUSY for row in rounds),
        "measured_at": max(row["began_at"] for row in rounds),
    }


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum of what is known, None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


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
        enough = all(found["n"] >= P95_CALLS for found in rounds)
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
        for row in ask_file(con, "summary_ranks", samples, benchmarks=names, ranks=numbers)
    }
    for row in percentiles:
        if row["benchmark"] in wanted:
            low, high = wanted[row["benchmark"]]
            interval = at[row["benchmark"], low], at[row["benchmark"], high]
            row["p95_low_ns"], row["p95_high_ns"] = _possible(row, interval)
            row["p95_bounds"] = "samples"


def _possible(row: Row, interval: tuple[int, int]) -> tuple[int, int]:
    return confidence.possible(interval, p50_ns=row["p50_ns"], p95_ns=row["p95_ns"], max_ns=row["max_ns"])
