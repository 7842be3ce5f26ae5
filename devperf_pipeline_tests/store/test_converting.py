import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from devperf_pipeline.model import Baseline, Benchmark, Load, Round, SustainedLoad
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse

Measure = Callable[..., Baseline]
MakeRound = Callable[..., Round]

FIRST_FORM = """
copy (
    with calls as (
        select
            baseline_id, benchmark, round, latency_ns, outcome, file_row_number,
            begin_ns + latency_ns - lag(begin_ns + latency_ns, 1, 0) over (
                partition by benchmark, round order by file_row_number
            ) as step_ns
        from read_parquet($1, file_row_number = true, hive_partitioning = false)
    )
    select
        baseline_id, benchmark, round,
        (step_ns & 255)::utinyint as step_0, ((step_ns >> 8) & 255)::utinyint as step_1, step_ns >> 16 as step_2,
        (latency_ns & 255)::utinyint as latency_0, ((latency_ns >> 8) & 255)::utinyint as latency_1,
        latency_ns >> 16 as latency_2, outcome
    from calls
    order by file_row_number
) to $2 (format parquet, parquet_version v2, compression zstd)
"""
"""How samples were written before they were plain columns."""

RELATIONS = ("samples", "warmups", "rounds", "percentiles", "load_tests", "knees")


@pytest.fixture(name="old")
def _old(folders: Folders, measure: Measure, make_round: MakeRound) -> Path:
    """A baseline as the first version wrote it: long, overlapping and failed calls, a warm-up, a sustained load."""
    sustained = Benchmark("redis", "get-hit", Load(10, sustained=True), "engine")
    begin, latency = [0, 5, 2, 10**12, 10**12 - 70_000], [10, 6, 70_000, 3_000_000_000, 1]
    baseline = measure(
        [
            make_round(1, latency, begin_ns=begin, outcome=[0, 1, 2, 7, 0]),
            make_round(2),
            make_round(2, latency, begin_ns=begin, phase="warmup"),
            make_round(1, benchmark=sustained, sustained=SustainedLoad(limit_calls=100, limit_s=1.0)),
        ]
    )
    return folders.samples / f"baseline_id={baseline.id}"


def make_old(folder: Path) -> None:
    """Put a finished baseline into the first form."""
    with duckdb.connect() as con:
        for name in ("samples.parquet", "warmups.parquet"):
            con.execute(FIRST_FORM, [str(folder / name), str(folder / "old")])
            (folder / "old").rename(folder / name)
    (folder / "sustained.parquet").rename(folder / "stretches.parquet")
    told = folder / "baseline.json"
    told.write_text(json.dumps({**json.loads(told.read_bytes()), "schema_version": 1}))


def everything(folders: Folders) -> dict[str, list[tuple[Any, ...]]]:
    """All calls, and all figures made of them."""
    with warehouse.connect(folders) as con:
        return {name: con.execute(f"from {name} order by all").fetchall() for name in RELATIONS}


class TestFirstForm:
    def test_says_what_it_said(self, folders: Folders, old: Path) -> None:
        """A baseline of the first form must give every call and figure that one of today gives, and be said to be converted once."""
        warehouse.build(folders)
        expected = everything(folders)
        make_old(old)
        (said,) = warehouse.build(folders).said

        assert "older version" in said
        assert expected == everything(folders)
        assert warehouse.build(folders).said == ()

    def test_becomes_what_anybody_reads(self, old: Path, folders: Folders) -> None:
        """Its files must be those of today, without anything left over."""
        names = sorted(path.name for path in old.iterdir())
        plain = pl.read_parquet(old / "samples.parquet", hive_partitioning=False)
        make_old(old)
        warehouse.build(folders)

        assert plain.equals(pl.read_parquet(old / "samples.parquet", hive_partitioning=False))
        assert names == sorted(path.name for path in old.iterdir())
        assert json.loads((old / "baseline.json").read_bytes())["schema_version"] == 2

    def test_half_converted_is_finished(self, folders: Folders, old: Path) -> None:
        """A conversion that was cut short must be finished by the next build."""
        warehouse.build(folders)
        expected = everything(folders)
        plain = (old / "samples.parquet").read_bytes()
        make_old(old)
        (old / "samples.parquet").write_bytes(plain)
        (old / "warmups.parquet.partial").write_bytes(b"PAR1")
        warehouse.build(folders)

        assert expected == everything(folders)

    def test_broken_samples_are_set_aside_as_they_are(self, folders: Folders, old: Path) -> None:
        """Samples of the first form that are not those that were kept must be set aside untouched, and named once."""
        make_old(old)
        with duckdb.connect() as con:
            file = str(old / "samples.parquet")
            con.execute(
                "copy (from read_parquet($1) limit 7) to $2 (format parquet)", [file, str(old / "less")]
            )
        (old / "less").rename(old / "samples.parquet")
        broken = (old / "samples.parquet").read_bytes()
        said = warehouse.build(folders).said

        assert ["set aside" in sentence for sentence in said] == [True, False]
        assert broken == (old / "samples.parquet.broken").read_bytes()
        assert not (old / "samples.parquet.partial").exists()
