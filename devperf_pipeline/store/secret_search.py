"""
Is a secret in anything that a run wrote?

Looked for are all spellings of each secret, in text as it is read and not as it is packed: columns and metadata of
Parquet files, the columns of the warehouse, logs, reports and charts.
"""

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from devperf_pipeline.errors import StoreError
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.secret import Secrets, bare, spellings
from devperf_pipeline.store.sql_files import statement
from devperf_pipeline.store.warehouse import connect

TRAILER_BYTES = 8
"""A Parquet file ends with the length of its metadata and four letters."""


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """A place where a secret was found, and the name of the secret."""

    place: str
    secret: str

    def __str__(self) -> str:
        return f"{self.secret} in {self.place}"


class Search:
    """Looks for the secrets of one run."""

    def __init__(self, secrets: Secrets) -> None:
        self._needles = {
            spelling: secret.name for secret in secrets.sought for spelling in spellings(secret.value)
        }

    def text(self, place: str, data: str | bytes) -> set[Leak]:
        """What is found in a text, which may be escaped as often as it likes."""
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogatepass")
        hay = bare(data)
        found = {Leak(place, name) for needle, name in self._needles.items() if needle in hay}
        if not found and b"&#" in hay:
            # Markdown and SVG write some letters as numbers.
            read = html.unescape(hay.decode("utf-8", "replace")).encode()
            found = {Leak(place, name) for needle, name in self._needles.items() if needle in read}
        return found


def leaks(folders: Folders, baseline_id: str, since_ns: int, search: Search) -> list[Leak]:
    """
    Every place where a secret is found in what a baseline left: its files, the warehouse, logs, and the reports
    and charts that were written since `since_ns` (wall clock, UTC epoch).

    Raises:
        StoreError: something of it cannot be read, so nobody knows.

    """
    found: set[Leak] = set()
    try:
        for path in _files(folders, baseline_id, since_ns):
            place = str(path.relative_to(folders.root))
            texts = _parquet(path) if path.suffix == ".parquet" else [(place, path.read_bytes())]
            for where, text in texts:
                found |= search.text(where if where == place else f"{place}, {where}", text)
        if folders.warehouse.exists():
            for where, text in _warehouse(folders):
                found |= search.text(f"{folders.warehouse.relative_to(folders.root)}, {where}", text)
    except (OSError, pl.exceptions.PolarsError, duckdb.Error) as error:
        raise StoreError(
            f"What the baseline {baseline_id} wrote should be searched for secrets and cannot be read ({error}). "
            "Look at that file; everything measured is kept."
        ) from error
    return sorted(found)


def _files(folders: Folders, baseline_id: str, since_ns: int) -> Iterator[Path]:
    """Files of the baseline, all logs, and reports that were written since then."""
    own = [
        folders.samples / f"baseline_id={baseline_id}",
        folders.incoming / baseline_id,
        *folders.data.glob(f"derived/*/{baseline_id}"),
    ]
    for folder in (*own, folders.logs):
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())
    for path in sorted(folders.reports.rglob("*")):
        if path.is_file() and path.stat().st_mtime_ns >= since_ns:
            yield path


def _parquet(path: Path) -> Iterator[tuple[str, bytes]]:
    """The metadata of a Parquet file, and each of its columns of text, every value once; lists and pairs as Python shows them."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(size - TRAILER_BYTES)
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - TRAILER_BYTES - length))
        yield "metadata", file.read(length)
    frame = pl.scan_parquet(path, hive_partitioning=False)
    for name, kind in frame.collect_schema().items():
        if kind == pl.String:
            yield f"column {name}", _joined(frame.select(pl.col(name).unique()).collect()[name])
        elif kind.is_nested():
            yield f"column {name}", _joined(map(repr, frame.select(name).collect()[name].to_list()))


def _warehouse(folders: Folders) -> Iterator[tuple[str, bytes]]:
    """Each column of text of each table of the warehouse, every value once."""
    con = connect(folders)
    try:
        for table, column in con.execute(statement("text_columns")).fetchall():
            text = duckdb.ColumnExpression(column).cast("varchar")
            values = con.table(table).select(text).distinct().fetchall()
            yield f"table {table}, column {column}", _joined(value for (value,) in values)
    finally:
        con.close()


def _joined(values: Iterable[str | None]) -> bytes:
    return "\n".join(value for value in values if value).encode("utf-8", "surrogatepass")
