"""
How does a baseline of the first form become one of today?

Its samples were numbers split into bytes, which only our view could read; now they are plain integers.
Each file is written beside, compared with what was kept, flushed and renamed over the old one: it is whole in one form
or the other. What was done already is not done again.
"""

import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl

from devperf_pipeline.model import Baseline
from devperf_pipeline.store.baseline_file import NAME, baseline_to_json
from devperf_pipeline.store.parquet_rows import unreadable
from devperf_pipeline.store.sql_files import statement
from devperf_pipeline.store.whole_files import (
    PARTIAL,
    REBUILD,
    not_written,
    sync_file,
    sync_folder,
    write_whole,
)

OLD_SUSTAINED = "stretches.parquet"
"""What sustained.parquet was called."""


def is_old(folder: Path) -> bool:
    """Whether a file of the baseline in `folder` is of the first form."""
    return (folder / OLD_SUSTAINED).exists() or any(
        _in_bytes(folder / name) for name in ("samples.parquet", "warmups.parquet")
    )


def convert_names(folder: Path, baseline: Baseline) -> None:
    """
    Give the description of a baseline the form of today, and its files their names.

    Raises:
        StoreError: nothing can be written.

    """
    # First of all: an older version of this project then says what it finds, and reads no half of it.
    write_whole(folder / NAME, baseline_to_json(baseline), then=REBUILD)
    old = folder / OLD_SUSTAINED
    try:
        if old.exists():
            old.rename(folder / "sustained.parquet")
            sync_folder(folder)
    except OSError as error:
        raise not_written(folder / "sustained.parquet", 0, error, then=REBUILD) from error


def convert_calls(con: duckdb.DuckDBPyConnection, path: Path, check: Callable[[Path], object]) -> None:
    """
    Give a file of calls the form of today, if it has the first one; `check` sees whether the new file is right.

    Raises:
        StoreError: it cannot be read, or the new one is not right.
        OSError, duckdb.Error: the new one cannot be written.

    """
    if not _in_bytes(path):
        return
    partial = path.with_name(path.name + PARTIAL)
    try:
        con.execute(statement("convert_calls"), {"file": str(path), "target": str(partial)})
        check(partial)
        sync_file(partial)
        os.replace(partial, path)  # noqa: PTH105 - whole in one form or the other
        sync_folder(path.parent)
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException) or partial.name in str(error):
            raise  # no fault of what is kept
        raise unreadable(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _in_bytes(path: Path) -> bool:
    """Whether the file can be read and holds bytes; who reads it next says what is wrong with it."""
    try:
        return "step_0" in pl.read_parquet_schema(path)
    except (OSError, pl.exceptions.PolarsError):
        return False
