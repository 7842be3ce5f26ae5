"""
How is kept what is no call of ours: readings of processes, and what reference tools say of their runs?

Parts beside those of rounds while a baseline is measured; one file of each kind when it has ended.
"""

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import ResourceReading, Stated
from devperf_pipeline.store.whole_files import set_aside

RESOURCES = {
    "service": pl.String,
    "category": pl.String,
    "phase": pl.String,
    "benchmark": pl.String,
    "users": pl.Int32,
    "at_ns": pl.Int64,
    "elapsed_ns": pl.Int64,
    "cpu_percent": pl.Float64,
    **dict.fromkeys(("rss_bytes", "pss_bytes", "vsz_bytes"), pl.Int64),
    **dict.fromkeys(("processes", "threads", "descriptors"), pl.Int32),
    **dict.fromkeys(("read_bytes", "written_bytes", "received_bytes", "sent_bytes"), pl.Int64),
    "limit_bytes": pl.Int64,
    "oom_kills": pl.Int32,
    "source": pl.String,
}

STATED = {
    **dict.fromkeys(("service", "operation", "benchmark", "instrument"), pl.String),
    "users": pl.Int32,
    "load": pl.String,
    "round": pl.Int32,
    "began_at_ns": pl.Int64,
    "elapsed_ns": pl.Int64,
    "n": pl.Int64,
    "errors": pl.Int64,
    "throughput_per_s": pl.Float64,
    "mean_ns": pl.Int64,
    "shares": pl.List(pl.Float64),
    "latencies_ns": pl.List(pl.Int64),
    "about": pl.List(pl.Struct({"key": pl.String, "value": pl.String})),
    "problem": pl.String,
}

KINDS = {"resources": RESOURCES, "stated": STATED}
"""What ends up in `<kind>.parquet` of a baseline's folder; its parts are called `<number>.<kind>`."""


def resources_part(readings: Sequence[ResourceReading]) -> bytes:
    """Readings as a Parquet file, one row each."""
    return _parquet(pl.DataFrame([asdict(reading) for reading in readings], schema=RESOURCES))


def stated_part(stated: Stated) -> bytes:
    """One run of a tool as a Parquet file of one row; quantiles are two lists of the same length."""
    benchmark = stated.benchmark
    quantiles = sorted(stated.quantiles.items())
    row: dict[str, Any] = {
        "service": benchmark.service,
        "operation": benchmark.operation,
        "benchmark": benchmark.id,
        "instrument": benchmark.instrument,
        "users": benchmark.load.users,
        "load": str(benchmark.load),
        "round": stated.number,
        "began_at_ns": stated.began_at_ns,
        "elapsed_ns": stated.elapsed_ns,
        "n": stated.n,
        "errors": stated.errors,
        "throughput_per_s": stated.throughput_per_s,
        "mean_ns": stated.mean_ns,
        "shares": [share for share, _ in quantiles],
        "latencies_ns": [latency_ns for _, latency_ns in quantiles],
        "about": [{"key": key, "value": value} for key, value in stated.about.items()],
        "problem": stated.problem,
    }
    return _parquet(pl.DataFrame([row], schema=STATED))


def gather(incoming: Path, finished: Path) -> list[str]:
    """
    Put the parts of each kind together in `finished`, where there are any; a sentence for each that is broken.

    Raises:
        StoreError: nothing can be written.

    """
    said: list[str] = []
    for kind, schema in KINDS.items():
        frames: list[pl.DataFrame] = []
        for path in sorted(incoming.glob(f"*.{kind}")):
            try:
                frames.append(_read(path, schema))
            except (pl.exceptions.PolarsError, StoreError, OSError) as error:
                reason = str(error).split("\n")[0]
                said.append(f"{path} cannot be read ({reason}) and was set aside as {set_aside(path)}.")
        if frames:
            pl.concat(frames).write_parquet(
                finished / f"{kind}.parquet", compression="zstd", compression_level=3
            )
    return said


def check_stated(path: Path) -> None:
    """
    See whether what tools said in one baseline can be read, where they were asked.

    Raises:
        StoreError: it cannot.

    """
    if not path.exists():
        return
    try:
        _read(path, STATED)
    except (pl.exceptions.PolarsError, StoreError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise StoreError(
            f"{path} should say what reference tools said, and cannot be read ({reason})."
        ) from error


def _read(path: Path, schema: dict[str, Any]) -> pl.DataFrame:
    frame = pl.read_parquet(io.BytesIO(path.read_bytes()))
    if dict(frame.schema) != dict(pl.Schema(schema)):
        raise StoreError("its columns are not those that were written")
    return frame


def _parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression="zstd", compression_level=3)
    return file.getvalue()
