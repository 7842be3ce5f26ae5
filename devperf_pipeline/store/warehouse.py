"""
How are all finished baselines asked questions? Through `data/devperf.duckdb`, which is derived from them.

It is built beside the old one and renamed over it, so a client that holds the old file open stops nothing,
and it can be built again from `data/samples` at any time.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from devperf_pipeline.errors import StoreError
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import summaries
from devperf_pipeline.store.questions import MACROS, PUBLISHED, add_questions
from devperf_pipeline.store.rules import RULE_TABLES, add_rules
from devperf_pipeline.store.schema import relation, relations
from devperf_pipeline.store.sql_files import literal, statement
from devperf_pipeline.store.whole_files import REBUILD, not_written, sync_file, sync_folder

Connection = duckdb.DuckDBPyConnection

STORAGE = "v1.2.0"
"""The file format: the newest that clients from DuckDB 1.2 on can open."""

LOCK_WAIT_S = 60.0

TABLES = (
    "baselines",
    "infrastructure",
    "services",
    "answers",
    "refused_rows",
    "rounds",
    "percentiles",
    "load_tests",
    "knees",
    "stated",
    "resources",
    "memory_per_request",
)

FILES = {
    "samples": "samples.parquet",
    "warmups": "warmups.parquet",
    "resource_samples": "resources.parquet",
}
"""The views over the files of all baselines, and the file of each."""

COUNTED = {"baselines": "insert_baselines", "stated": "insert_stated"}
"""The tables of which a row is not a row of a file as it is, and the statement that fills each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """
    What a build found: how many baselines, samples (measured calls) and rows of `percentiles`.

    `said` has a sentence for each file that was set aside, since it could not be read, or converted.
    """

    baselines: int
    samples: int
    rows: int
    seconds: float
    said: tuple[str, ...]


def build(folders: Folders, *, from_samples: bool = False) -> BuildReport:
    """
    Derive the warehouse from all finished baselines. The old one stays until the new one is complete.

    `from_samples` reads the samples of old baselines again, too.

    Raises:
        StoreError: nothing can be written, or another build does not end.

    """
    began = time.monotonic()
    with _only_one(folders), _workshop(folders) as workshop:
        if from_samples:
            summaries.forget(folders)
        beside = workshop / "devperf.duckdb"
        try:
            found = summaries.collect(folders)
            samples, rows = _fill(beside, folders, summaries.staged(found, workshop))
            sync_file(beside)
            # A log of the old file beside the new one would make the new one unreadable.
            folders.warehouse.with_name(folders.warehouse.name + ".wal").unlink(missing_ok=True)
            os.replace(beside, folders.warehouse)  # noqa: PTH105 - the one call that the promise rests on
            sync_folder(folders.data)
        except (OSError, duckdb.Error) as error:
            raise not_written(folders.warehouse, _size(folders.warehouse), error, then=REBUILD) from error
    return BuildReport(
        baselines=len(found.baselines),
        samples=samples,
        rows=rows,
        seconds=time.monotonic() - began,
        said=tuple(found.said),
    )


def rebuild(folders: Folders) -> BuildReport:
    """
    Derive everything again, from the samples themselves.

    Raises:
        StoreError: as `build`.

    """
    return build(folders, from_samples=True)


def connect(folders: Folders) -> Connection:
    """
    Open the warehouse to read it. Close it soon: an open one does not see the next build.

    Where a client holds the file for writing, a copy is read.

    Raises:
        StoreError: there is none, or it is damaged.

    """
    path = folders.warehouse
    if not path.exists():
        raise StoreError(f"There is no warehouse at {path}. Make it from the samples: devperf rebuild")
    try:
        return _open(path)
    except duckdb.IOException as error:
        if "Could not set lock" not in str(error):
            raise _broken(path, error) from error
    except duckdb.Error as error:
        raise _broken(path, error) from error
    with tempfile.TemporaryDirectory(prefix=".reading-", dir=folders.data) as place:
        copy = Path(place) / path.name
        try:
            shutil.copyfile(path, copy)
            return _open(copy)
        except (OSError, duckdb.Error) as error:
            raise _broken(path, error) from error


def _open(path: Path) -> Connection:
    con = duckdb.connect(str(path), read_only=True)
    try:
        for name in TABLES:
            con.table(name).count("*").fetchall()
    except duckdb.Error:
        con.close()
        raise
    return con


def _broken(path: Path, error: Exception) -> StoreError:
    reason = str(error).strip().split("\n")[0]
    return StoreError(
        f"{path} should be the warehouse and cannot be read ({reason}). Build it again: devperf rebuild"
    )


def table_rows(con: Connection, name: str, baseline_id: str) -> list[dict[str, object]]:
    """
    A baseline's rows of a table or view, ordered by its columns from left to right.

    Raises:
        StoreError: as `query`.

    """
    return query(con, "rows_of_baseline", relation=name, baseline_id=baseline_id)


def query(con: Connection, name: str, **parameters: object) -> list[dict[str, object]]:
    """
    The rows of `sql/<name>.sql`.

    Raises:
        StoreError: the warehouse is damaged or of another version, or samples that it points at are gone.

    """
    try:
        result = con.execute(statement(name), parameters)
        columns = [column[0] for column in result.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
    except (
        duckdb.IOException,
        duckdb.InternalException,
        duckdb.CatalogException,
        duckdb.BinderException,  # a column that the version which built it did not have
    ) as error:
        reason = str(error).strip().split("\n")[0]
        raise StoreError(
            f"The warehouse is damaged, was built by another version of this project, or points at samples that are "
            f"gone: it could not answer {name} ({reason}). Build it again from the samples: uv run devperf rebuild"
        ) from error


def _fill(path: Path, folders: Folders, staged: dict[str, list[str]]) -> tuple[int, int]:
    """Make every table and view; return how many samples and rows of `percentiles` there are."""
    config: dict[str, Any] = {"storage_compatibility_version": STORAGE, "threads": 2}
    with duckdb.connect(str(path), config=config) as con:
        # One transaction: half a thousand statements, mostly comments, would each wait for the disk.
        con.begin()
        for table in TABLES:
            con.execute(relation(table).create)
        for table in reversed(TABLES):
            if staged[table]:
                text = statement(COUNTED[table]) if table in COUNTED else relation(table).insert
                con.execute(text, {"files": staged[table]})
        for view, file in FILES.items():
            con.execute(f"create view {view} as\n{_over_files(view, file, folders.samples)}")
        add_rules(con)
        add_questions(con)
        tables = (*TABLES, *RULE_TABLES, *PUBLISHED)
        for name, described in relations().items():
            kind = "macro table" if name in MACROS else "table" if name in tables else "view"
            if not described.is_file:
                con.execute(";\n".join(described.comments(kind)))
        percentiles = con.table("percentiles")
        samples, rows = percentiles.sum("n").fetchall()[0][0] or 0, percentiles.shape[0]
        con.commit()
        con.execute("checkpoint")
    return samples, rows


def _over_files(view: str, file: str, samples: Path) -> str:
    """The question that reads that file of every baseline; without any file it cannot be asked, and has no rows."""
    if next(samples.glob(f"baseline_id=*/{file}"), None) is None:
        return relation(view).empty
    text = statement("view_of_files").replace("$columns", ", ".join(relation(view).columns))
    return text.replace("$file", literal(file)).replace("$folder", literal(_as_pattern(samples)))


def _as_pattern(folder: Path) -> str:
    """A folder's name inside a file pattern: characters that mean something there stand for themselves."""
    return "".join(f"[{char}]" if char in "[*?" else char for char in str(folder))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _workshop(folders: Folders) -> Iterator[Path]:
    """A folder beside the warehouse in which the next one is made; those that a kill left are removed."""
    for left in (*folders.data.glob(".building-*"), *folders.data.glob(".reading-*")):
        shutil.rmtree(left, ignore_errors=True)
    try:
        place = Path(tempfile.mkdtemp(prefix=".building-", dir=folders.data))
    except OSError as error:
        raise not_written(folders.data, 4096, error, then=REBUILD) from error
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _only_one(folders: Folders) -> Iterator[None]:
    """Let one build at a time be under way. The lock ends with its process, however that ends."""
    path = folders.data / ".building.lock"
    try:
        folders.data.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise not_written(path, 0, error, then=REBUILD) from error
    with file:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"Another process has been building the warehouse for more than {LOCK_WAIT_S:.0f} s "
                        f"(it holds {path}). Wait for it to end, or stop it, and run the command again."
                    ) from error
                time.sleep(0.02)
            else:
                break
        yield
