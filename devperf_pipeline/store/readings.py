"""
How is kept what is no call of ours: readings of processes, and what reference tools say of their runs?

Parts beside those of rounds while a baseline is measured; one file of each kind when it has ended.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import duckdb

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import ResourceReading, Stated
from devperf_pipeline.store.parquet_rows import Row, read_rows, to_parquet
from devperf_pipeline.store.schema import relation
from devperf_pipeline.store.whole_files import set_aside

KINDS = ("resources", "stated")
"""What ends up in `<kind>.parquet` of a baseline's folder; its parts are called `<number>.<kind>`."""


def resources_part(readings: Sequence[ResourceReading]) -> bytes:
    """Readings as a Parquet file, one row each."""
    return to_parquet([asdict(reading) for reading in readings], relation("resources.parquet"))


def stated_part(stated: Stated) -> bytes:
    """One run of a tool as a Parquet file of one row; quantiles are two lists of the same length."""
    benchmark = stated.benchmark
    quantiles = sorted(stated.quantiles.items())
    row: Row = {
        **{name: getattr(stated, name) for name in Stated.__slots__},
        "service": benchmark.service,
        "operation": benchmark.operation,
        "benchmark": benchmark.id,
        "instrument": benchmark.instrument,
        "users": benchmark.load.users,
        "load": str(benchmark.load),
        "round": stated.number,
        "shares": [share for share, _ in quantiles],
        "latencies_ns": [latency_ns for _, latency_ns in quantiles],
        "about": [{"key": key, "value": value} for key, value in stated.about.items()],
    }
    return to_parquet([row], relation("stated.parquet"))


def gather(con: duckdb.DuckDBPyConnection, incoming: Path, finished: Path) -> list[str]:
    """Put the parts of each kind together in `finished`, where there are any; a sentence for each that is broken."""
    said: list[str] = []
    for kind in KINDS:
        columns = relation(f"{kind}.parquet")
        rows: list[Row] = []
        for path in sorted(incoming.glob(f"*.{kind}")):
            try:
                rows += read_rows(con, path, columns)
            except StoreError as error:
                said.append(f"{error}, and was set aside as {set_aside(path)}.")
        if rows:
            (finished / f"{kind}.parquet").write_bytes(to_parquet(rows, columns))
    return said
