"""How do rows become a Parquet file and come back, with the columns that the schema says?"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from devperf_pipeline.errors import StoreError
from devperf_pipeline.store.schema import Relation
from devperf_pipeline.store.sql_files import statement

Row = dict[str, Any]


def to_parquet(rows: Iterable[Row], relation: Relation) -> bytes:
    """Rows as a file with the columns of `relation`; what a row does not have is null, what else it has is left out."""
    schema = relation.frame
    return parquet_bytes(
        pl.DataFrame([[row.get(name) for name in schema] for row in rows], schema, orient="row")
    )


def parquet_bytes(frame: pl.DataFrame, **metadata: str) -> bytes:
    """A frame as a file."""
    file = io.BytesIO()
    frame.write_parquet(file, compression="zstd", compression_level=3, metadata=metadata or None)
    return file.getvalue()


def read_rows(con: duckdb.DuckDBPyConnection, path: Path, relation: Relation) -> list[Row]:
    """
    All rows of a file of ours; it may lack columns that can be null, which older versions did not write.

    Raises:
        StoreError: it cannot be read, or its columns are others.

    """
    rows, types = _asked(con, "file_rows", path)
    for column in relation.columns.values():
        if types.get(column.name, None if column.required else column.kind) != column.kind:
            raise unreadable(path, f"{column.name} should be {column.kind}, found {types.get(column.name)}")
    return rows


def ask_file(con: duckdb.DuckDBPyConnection, name: str, path: Path, **parameters: Any) -> list[Row]:
    """
    What the statement of that name makes of one file of a baseline.

    Raises:
        StoreError: the file cannot be read.

    """
    return _asked(con, name, path, **parameters)[0]


def _asked(
    con: duckdb.DuckDBPyConnection, name: str, path: Path, **parameters: Any
) -> tuple[list[Row], dict[str, str]]:
    try:
        result = con.execute(statement(name), {"file": str(path), **parameters})
        types = {column[0]: str(column[1]).lower() for column in result.description or ()}
        return [dict(zip(types, row, strict=True)) for row in result.fetchall()], types
    except duckdb.Error as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, reason: Exception | str) -> StoreError:
    """The error that says that a file is not what was written there."""
    reason = str(reason).strip().split("\n")[0]
    return StoreError(f"{path} should be Parquet that this project wrote, and cannot be read ({reason})")
