"""
How do the parts of a baseline become its finished folder?

Complete in a folder beside, flushed, then renamed: the finished folder is whole or absent.
"""

import os
import shutil
from pathlib import Path

import duckdb
import polars as pl

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import Baseline
from devperf_pipeline.store.baseline_file import NAME, ROUND_KEY, baseline_to_json, round_from_json
from devperf_pipeline.store.parquet_rows import Row, to_parquet
from devperf_pipeline.store.readings import gather
from devperf_pipeline.store.schema import relation
from devperf_pipeline.store.sql_files import statement
from devperf_pipeline.store.whole_files import (
    PARTIAL,
    not_written,
    set_aside,
    sync_file,
    sync_folder,
    write_whole,
)


def compact(incoming: Path, finished: Path, baseline: Baseline) -> tuple[list[str], int]:
    """
    Make `finished` out of the parts in `incoming`, which stay. A broken part is set aside and named.

    Returns the messages about broken parts, and how many rounds are in.

    Raises:
        StoreError: nothing can be written.

    """
    paths = sorted(incoming.glob("*.parquet"))
    beside = finished.with_name(baseline.id + PARTIAL)
    try:
        if beside.exists():
            shutil.rmtree(beside)
        beside.mkdir(parents=True)
        with duckdb.connect() as con:
            con.execute("set threads = 2")
            rounds, broken = _read_parts(con, paths)
            for phase, name in (("measured", "samples"), ("warmup", "warmups")):
                parts = [str(r["path"]) for r in rounds if r["phase"] == phase]
                _copy(con, parts, beside / f"{name}.parquet")
            sustained = [{**row, **row["drive"]} for row in rounds if row["drive"]]
            for name, rows in (("rounds.parquet", rounds), ("sustained.parquet", sustained)):
                if rows or name == "rounds.parquet":
                    (beside / name).write_bytes(to_parquet(rows, relation(name)))
            broken += gather(con, incoming, beside)
        write_whole(beside / NAME, baseline_to_json(baseline))
        for file in beside.iterdir():
            sync_file(file)
        sync_folder(beside)
        os.replace(beside, finished)  # noqa: PTH105 - the one call that the whole promise rests on, by its own name
        sync_folder(finished.parent)
    except (OSError, duckdb.Error) as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise not_written(finished, sum(p.stat().st_size for p in paths if p.exists()), error) from error
    return broken, len(rounds)


def _copy(con: duckdb.DuckDBPyConnection, parts: list[str], target: Path) -> None:
    """One file out of many, in their order. Without parts it has its columns and no row."""
    if parts:
        con.execute(statement("compact_parts"), {"parts": parts, "target": str(target)})
    else:
        target.write_bytes(to_parquet([], relation("samples.parquet")))


def _read_parts(con: duckdb.DuckDBPyConnection, paths: list[Path]) -> tuple[list[Row], list[str]]:
    """The rounds of all whole parts, a benchmark's together and in order, and what is said of the others."""
    rounds: list[Row] = []
    broken: list[str] = []
    for path in paths:
        try:
            rounds.append({**_read_part(con, path), "path": path})
        except (OSError, pl.exceptions.PolarsError, duckdb.Error, StoreError) as error:
            reason = str(error).strip().split("\n")[0]
            broken.append(
                f"The round in {path} cannot be read ({reason}) and was set aside as {set_aside(path)}."
            )
    return sorted(rounds, key=lambda r: (r["benchmark"], r["round"], r["began_at_ns"], r["path"])), broken


def _read_part(con: duckdb.DuckDBPyConnection, path: Path) -> Row:
    """
    What a part says of its round, if its samples are those that were written.

    Raises:
        StoreError: they are not, or it does not say.
        OSError, PolarsError, duckdb.Error: it is no Parquet file, or not one of ours.

    """
    described = pl.read_parquet_metadata(path).get(ROUND_KEY)
    if described is None:
        raise StoreError("it is Parquet, but not a round of ours")
    about = round_from_json(described)
    expected = tuple(about[name] for name in ("calls", "end_sum_ns", "latency_sum_ns", "outcome_sum"))
    found = con.execute(statement("part_sums"), {"part": str(path)}).fetchone()
    if expected != found:
        raise StoreError("its samples are not those that were written")
    return {**about, "drive": about.get("drive", about.get("stretch"))}
