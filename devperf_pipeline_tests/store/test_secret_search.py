import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import Baseline, Round
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.secret import Secret, Secrets
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.secret_search import Leak, Search, leaks

SECRET = 'p"ä ss%word-4711'
SECRETS = Secrets((Secret("the password of redis", SECRET),), {})

Measure = Callable[..., Baseline]
Seed = Callable[[Folders, Path], Any]


def samples_with(name: str, value: str) -> Seed:
    """Write the samples again with another column, or with other metadata."""

    def seed(_folders: Folders, folder: Path) -> None:
        path = folder / "samples.parquet"
        frame = pl.read_parquet(path, hive_partitioning=False)
        if name == "metadata":
            frame.write_parquet(path, metadata={"round": value}, compression="zstd")
        else:
            texts = pl.Series(name, [*["nothing"] * (len(frame) - 1), value])
            frame.with_columns(texts).write_parquet(path, compression="zstd")

    return seed


def told_by_a_tool(folders: Folders, folder: Path) -> None:
    """A tool whose conditions, a map in the tables, have the secret among them."""
    schema = {"about": pl.List(pl.Struct({"key": pl.String, "value": pl.String}))}
    about = [{"key": "command", "value": f"redis-benchmark -a {SECRET}"}]
    pl.DataFrame({"about": [about]}, schema=schema).write_parquet(folder / "stated.parquet")
    with duckdb.connect(str(folders.warehouse)) as con:
        con.execute("create table told as select map {'command': ?::varchar} as about", [SECRET])


def reason(folders: Folders, _folder: Path) -> None:
    with duckdb.connect(str(folders.warehouse)) as con:
        con.execute("update services set reason = ?", [f"refused: {SECRET}"])


def file(where: str, text: str) -> Seed:
    def seed(folders: Folders, folder: Path) -> None:
        path = folders.root / where.replace("BASELINE", folder.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return seed


@pytest.fixture(name="baseline")
def _baseline(folders: Folders, measure: Measure, make_round: Callable[..., Round]) -> Baseline:
    """A finished baseline with its warehouse."""
    baseline = measure([make_round(), make_round(2)])
    warehouse.build(folders)
    return baseline


class TestLeaks:
    def test_clean(self, folders: Folders, baseline: Baseline) -> None:
        """A baseline that wrote no secret down has no leak."""
        assert [] == leaks(folders, baseline.id, 0, Search(SECRETS))

    @pytest.mark.parametrize(
        ("seed", "place"),
        [
            (samples_with("note", f"x {SECRET} y"), "samples.parquet, column note"),
            (samples_with("metadata", json.dumps({"problem": SECRET})), "samples.parquet, metadata"),
            (file("data/samples/BASELINE/baseline.json", json.dumps({"stack": SECRET})), "baseline.json"),
            (reason, "data/devperf.duckdb, table services, column reason"),
            (told_by_a_tool, "stated.parquet, column about"),
            (told_by_a_tool, "data/devperf.duckdb, table told, column about"),
            (file("data/logs/local-redis.log", f"AUTH {SECRET}\n"), "data/logs/local-redis.log"),
            (file("reports/latest.md", "pass: p&#34;ä ss\\%word-4711"), "reports/latest.md"),
            (file("reports/charts-x/redis.svg", f"<text>{SECRET}</text>"), "reports/charts-x/redis.svg"),
        ],
    )
    def test_found(self, folders: Folders, baseline: Baseline, seed: Seed, place: str) -> None:
        """A secret is found wherever it was written, and the place is named, never the secret."""
        seed(folders, folders.samples / f"baseline_id={baseline.id}")
        found = leaks(folders, baseline.id, 0, Search(SECRETS))

        # The metadata of a Parquet file repeats the least and greatest value of each column.
        assert [place] == [leak.place[-len(place) :] for leak in found if leak.place.endswith(place)]
        assert {"the password of redis"} == {leak.secret for leak in found}
        assert SECRET not in " ".join(map(str, found))

    def test_older_reports_are_not_this_run(self, folders: Folders, baseline: Baseline) -> None:
        """A report that was written before the run is no leak of it."""
        file("reports/old.md", SECRET)(folders, folders.samples)

        assert [] == leaks(folders, baseline.id, time.time_ns() + 10**9, Search(SECRETS))

    def test_unreadable_is_not_clean(self, folders: Folders, baseline: Baseline) -> None:
        """Where a file cannot be read nobody knows, and that is said."""
        (folders.samples / f"baseline_id={baseline.id}" / "samples.parquet").write_bytes(b"PAR1" + bytes(60))

        with pytest.raises(StoreError, match="should be searched for secrets and cannot be read"):
            leaks(folders, baseline.id, 0, Search(SECRETS))


class TestSearch:
    def test_two_secrets_in_one_text(self) -> None:
        """Each secret of a text is told by its own name."""
        search = Search(Secrets((Secret("one", "first-secret"), Secret("two", "second-secret")), {}))

        assert {Leak("here", "one"), Leak("here", "two")} == search.text("here", "second-secret first-secret")
