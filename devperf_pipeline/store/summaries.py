"""
What is known of all finished baselines, ready to become tables?

Summaries are kept in `data/derived/<version>/<id>`, so that old baselines are summarised once.
They are used as long as the files that they were made from have the same size and time.
"""

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import Baseline
from devperf_pipeline.services import title_of
from devperf_pipeline.services.reference_api.contract import Contract
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import load_tests, resource_use, summary
from devperf_pipeline.store.baseline_file import NAME, SCHEMA_VERSION, read_baseline
from devperf_pipeline.store.readings import check_stated
from devperf_pipeline.store.whole_files import REBUILD, set_aside, write_whole

SUMMARY_VERSION = 6
"""Raised when a column or a rule of the summaries changes: all are then made anew."""

SOURCES = (
    NAME,
    "samples.parquet",
    "warmups.parquet",
    "rounds.parquet",
    "stretches.parquet",
    "resources.parquet",
    "stated.parquet",
)

SUMMARIES: Mapping[str, Mapping[str, Any]] = {
    "rounds": summary.ROUNDS,
    "percentiles": summary.PERCENTILES,
    "load_tests": load_tests.LOAD_TESTS,
    "knees": load_tests.KNEES,
    "resources": resource_use.RESOURCES,
    "memory_per_request": resource_use.MEMORY,
}
"""The tables of which each baseline's rows are kept, and their columns."""

Schema = dict[str, type[pl.String]]

BASELINES = {
    "baseline_id": pl.String,
    "stack": pl.String,
    "profile": pl.String,
    "seed": pl.Int64,
    "began_at": summary.TIME,
    "ended_at": summary.TIME,
    "state": pl.String,
    "schema_version": pl.Int32,
}

INFRASTRUCTURE: Schema = dict.fromkeys(("baseline_id", "service", "key", "value"), pl.String)

SERVICES: Schema = dict.fromkeys(
    ("baseline_id", "service", "title", "product", "version", "state", "reason"), pl.String
)

ANSWERS = {
    "baseline_id": pl.String,
    "service": pl.String,
    "route": pl.String,
    "status": pl.Int32,
    "shape": pl.String,
    "problem": pl.String,
}


@dataclass(frozen=True, slots=True)
class Collected:
    """
    All baselines that can be read, the folder of each one's summary, and a sentence for each file set aside.

    `stated` are the files of what reference tools said, where a baseline has one.
    """

    baselines: Sequence[Baseline]
    summaries: Sequence[Path]
    stated: Sequence[Path]
    set_aside: Sequence[str]


def collect(folders: Folders) -> Collected:
    """
    Read all finished baselines, and summarise those that are new. What is broken is set aside and named.

    Raises:
        StoreError: nothing can be written.

    """
    baselines: list[Baseline] = []
    summaries: list[Path] = []
    stated: list[Path] = []
    said: list[str] = []
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        for folder in sorted(folders.samples.glob("baseline_id=*")):
            try:
                baseline = read_baseline(folder / NAME, folder.name.removeprefix("baseline_id="))
                about = None if _is_fresh(folder, _place(folders, baseline)) else _about(con, folder)
            except StoreError as error:
                said.append(f"{error} Its folder was set aside as {set_aside(folder)}.")
                continue
            if about is not None:
                said += _summarise(con, folder, _place(folders, baseline), baseline, about)
            baselines.append(baseline)
            summaries.append(_place(folders, baseline))
            if (folder / "stated.parquet").exists():
                stated.append(folder / "stated.parquet")
    return Collected(baselines, summaries, stated, said)


def forget(folders: Folders) -> None:
    """Throw all summaries away; the next `collect` makes them anew."""
    shutil.rmtree(folders.data / "derived", ignore_errors=True)


def staged(found: Collected, workshop: Path, contract: Contract | None) -> dict[str, list[str]]:
    """For each table the Parquet files that it is made from; answers are held against `contract`."""
    frames = {
        "baselines": pl.DataFrame(
            [_baseline_row(baseline) for baseline in found.baselines], schema=BASELINES
        ),
        "infrastructure": pl.DataFrame(
            [row for baseline in found.baselines for row in _facts(baseline)],
            schema=INFRASTRUCTURE,
            orient="row",
        ),
        "services": pl.DataFrame(
            [row for baseline in found.baselines for row in _services(baseline)],
            schema=SERVICES,
            orient="row",
        ),
        "answers": pl.DataFrame(
            _answers(found.baselines, contract),
            schema=ANSWERS,
            orient="row",
        ),
    }
    files: dict[str, list[str]] = {}
    for name, frame in frames.items():
        (workshop / f"{name}.parquet").write_bytes(_parquet(frame))
        files[name] = [str(workshop / f"{name}.parquet")]
    for name in SUMMARIES:
        files[name] = [str(place / f"{name}.parquet") for place in found.summaries]
    files["stated"] = [str(file) for file in found.stated]
    return files


def _place(folders: Folders, baseline: Baseline) -> Path:
    return folders.data / "derived" / f"v{SCHEMA_VERSION}.{SUMMARY_VERSION}" / baseline.id


def _stamp(folder: Path, names: Sequence[str]) -> dict[str, list[int]]:
    """Size and time of each file that is there."""
    paths = {name: folder / name for name in names}
    return {
        name: [path.stat().st_size, path.stat().st_mtime_ns] for name, path in paths.items() if path.exists()
    }


def _stamps(folder: Path, place: Path) -> dict[str, dict[str, list[int]]]:
    return {"from": _stamp(folder, SOURCES), "to": _stamp(place, [f"{name}.parquet" for name in SUMMARIES])}


def _is_fresh(folder: Path, place: Path) -> bool:
    """Whether a summary is there, untouched, and made from the files as they are."""
    try:
        return json.loads((place / "stamp.json").read_bytes()) == _stamps(folder, place)
    except (OSError, ValueError):
        return False


def _about(con: duckdb.DuckDBPyConnection, folder: Path) -> list[summary.Row]:
    return summary.read_rounds(con, folder / "rounds.parquet")


def _summarise(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    place: Path,
    baseline: Baseline,
    about: Sequence[summary.Row],
) -> list[str]:
    """Write the summary of one baseline; say which of its files were set aside."""
    said: list[str] = []
    samples, stretches = folder / "samples.parquet", folder / "stretches.parquet"
    try:
        rounds, percentiles = summary.summarise(con, samples, about, baseline)
    except StoreError as error:
        said.append(_aside(error, samples))
        samples = None
        rounds, percentiles = summary.summarise(con, samples, about, baseline)
    rows = {"rounds": rounds, "percentiles": percentiles}
    try:
        rows["load_tests"] = load_tests.load_tests(con, stretches, samples, rounds, percentiles)
    except StoreError as error:
        said.append(_aside(error, stretches))
        rows["load_tests"] = []
    rows["knees"] = load_tests.knees(rows["load_tests"])
    try:
        summary.check_warmups(con, folder / "warmups.parquet", about)
    except StoreError as error:
        said.append(_aside(error, folder / "warmups.parquet"))
    readings = folder / "resources.parquet"
    try:
        resources, memory = resource_use.summarise(con, readings, baseline.id)
    except StoreError as error:
        said.append(_aside(error, readings))
        resources, memory = [], []
    rows |= {"resources": resources, "memory_per_request": memory}
    stated = folder / "stated.parquet"
    try:
        check_stated(stated)
    except StoreError as error:
        said.append(_aside(error, stated))
    place.mkdir(parents=True, exist_ok=True)
    for name, schema in SUMMARIES.items():
        frame = pl.DataFrame(rows[name], schema=schema)
        write_whole(place / f"{name}.parquet", _parquet(frame), then=REBUILD)
    write_whole(place / "stamp.json", json.dumps(_stamps(folder, place)).encode(), then=REBUILD)
    return said


def _aside(error: StoreError, path: Path) -> str:
    return f"{error} It was set aside as {set_aside(path)}." if path.exists() else f"{path} is missing."


def _parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression="zstd", compression_level=3)
    return file.getvalue()


def _baseline_row(baseline: Baseline) -> summary.Row:
    ended = baseline.ended_at_ns
    return {
        "baseline_id": baseline.id,
        "stack": baseline.stack,
        "profile": baseline.profile,
        "seed": baseline.seed,
        "began_at": summary.moment(baseline.began_at_ns),
        "ended_at": None if ended is None else summary.moment(ended),
        "state": "interrupted" if ended is None else "complete",
        "schema_version": SCHEMA_VERSION,
    }


def _facts(baseline: Baseline) -> list[tuple[str, str, str, str]]:
    found: list[tuple[str, Mapping[str, str]]] = [("host", baseline.host)]
    for service, facts in baseline.facts.items():
        found.append((service, {**facts.settings, "product": facts.product, "version": facts.version}))
    return [
        (baseline.id, service, key, str(value)) for service, table in found for key, value in table.items()
    ]


def _services(baseline: Baseline) -> list[tuple[str | None, ...]]:
    rows: list[tuple[str | None, ...]] = []
    for service in sorted({*baseline.facts, *baseline.states, *baseline.reasons}):
        facts = baseline.facts.get(service)
        product, version = (facts.product, facts.version) if facts else (None, None)
        state, reason = baseline.states.get(service), baseline.reasons.get(service)
        rows.append((baseline.id, service, title_of(service), product, version, state, reason))
    return rows


def _answers(
    baselines: Sequence[Baseline], contract: Contract | None
) -> list[tuple[str, str, str, int, str, str | None]]:
    # APIs answer the same in most baselines, so each answer is held against the contract once.
    problems: dict[tuple[str, int, str], str | None] = {}
    rows: list[tuple[str, str, str, int, str, str | None]] = []
    for baseline in baselines:
        for service, answers in baseline.answers.items():
            for answer in answers:
                shape = json.dumps(dict(answer.shape), sort_keys=True)
                key = (answer.route, answer.status, shape)
                if contract and key not in problems:
                    problems[key] = contract.wrong(answer)
                rows.append((baseline.id, service, *key, problems.get(key)))
    return rows
