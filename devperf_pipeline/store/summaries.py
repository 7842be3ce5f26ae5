"""
What is known of all finished baselines, ready to become tables?

Summaries are kept in `data/derived/<version>/<id>`, so that old baselines are summarised once.
They are used as long as the files that they were made from have the same size and time.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import duckdb

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import Baseline, Phase, RouteAnswer
from devperf_pipeline.services import title_of
from devperf_pipeline.services.reference_api.contract import reference_contract
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import load_tests, resource_use, summary
from devperf_pipeline.store.baseline_file import NAME, SCHEMA_VERSION, read_baseline
from devperf_pipeline.store.converting import convert_calls, convert_names, is_old
from devperf_pipeline.store.parquet_rows import Row, read_rows, to_parquet
from devperf_pipeline.store.schema import relation
from devperf_pipeline.store.whole_files import REBUILD, set_aside, write_whole

SUMMARY_VERSION = 7
"""Raised when a rule of the summaries changes: all are then made again, as they are when their columns change."""

SOURCES = (
    NAME,
    "samples.parquet",
    "warmups.parquet",
    "rounds.parquet",
    "sustained.parquet",
    "resources.parquet",
    "stated.parquet",
)

SUMMARIES = ("rounds", "percentiles", "load_tests", "knees", "resources", "memory_per_request")
"""The tables of which each baseline's rows are kept."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Collected:
    """
    All baselines that can be read, the folder of each one's summary, and a sentence for each file that was set aside
    or converted.

    `stated` are the files of what reference tools said, where a baseline has one.
    """

    baselines: list[Baseline]
    summaries: list[Path]
    stated: list[Path]
    said: list[str]


def collect(folders: Folders) -> Collected:
    """
    Read all finished baselines, and summarise those that are new. What is broken is set aside and named, and files of
    an older form are converted first.

    Raises:
        StoreError: nothing can be written.

    """
    found = Collected([], [], [], [])
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        for folder in sorted(folders.samples.glob("baseline_id=*")):
            try:
                baseline = read_baseline(folder / NAME, folder.name.removeprefix("baseline_id="))
                place = _place(folders, baseline)
                fresh = _is_fresh(folder, place)
                kept = [] if fresh else read_rows(con, folder / "rounds.parquet", relation("rounds.parquet"))
            except StoreError as error:
                found.said.append(f"{error} Its folder was set aside as {set_aside(folder)}.")
                continue
            if not fresh:
                found.said.extend(_Summary(con, folder, baseline, kept).write(place))
            found.baselines.append(baseline)
            found.summaries.append(place)
            if (folder / "stated.parquet").exists():
                found.stated.append(folder / "stated.parquet")
    return found


def forget(folders: Folders) -> None:
    """Throw all summaries away; the next `collect` makes them again."""
    shutil.rmtree(folders.data / "derived", ignore_errors=True)


def staged(found: Collected, workshop: Path) -> dict[str, list[str]]:
    """For each table the Parquet files that it is made from."""
    files = {name: [str(place / f"{name}.parquet") for place in found.summaries] for name in SUMMARIES}
    files["stated"] = [str(file) for file in found.stated]
    for name, rows_of in DESCRIBED.items():
        file = workshop / f"{name}.parquet"
        file.write_bytes(to_parquet([row for one in found.baselines for row in rows_of(one)], relation(name)))
        files[name] = [str(file)]
    return files


def _place(folders: Folders, baseline: Baseline) -> Path:
    return folders.data / "derived" / f"v{SCHEMA_VERSION}.{SUMMARY_VERSION}-{_columns()}" / baseline.id


@cache
def _columns() -> str:
    """A few letters that are others when a summary has other columns."""
    declared = "\n".join(relation(name).create for name in SUMMARIES)
    return hashlib.sha256(declared.encode()).hexdigest()[:8]


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


class _Summary:
    """How one baseline is summarised; a file of it that cannot be read is set aside, and costs its own rows."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, folder: Path, baseline: Baseline, kept: Sequence[Row]
    ) -> None:
        self._con = con
        self._folder = folder
        self._baseline = baseline
        self._kept = kept
        self._said: list[str] = []
        self._gone: set[str] = set()

    def write(self, place: Path) -> list[str]:
        """Write the summary to `place`; a sentence for each file that was set aside or converted."""
        if is_old(self._folder):
            self._convert()
        rows = self._rows()
        place.mkdir(parents=True, exist_ok=True)
        for name in SUMMARIES:
            write_whole(place / f"{name}.parquet", to_parquet(rows[name], relation(name)), then=REBUILD)
        write_whole(place / "stamp.json", json.dumps(_stamps(self._folder, place)).encode(), then=REBUILD)
        return self._said

    def _rows(self) -> dict[str, list[Row]]:
        con, baseline, kept = self._con, self._baseline, self._kept
        samples = self._folder / "samples.parquet"
        figures = self._read(
            "samples.parquet", lambda path: summary.summarise(con, path, kept, baseline), None
        )
        rounds, percentiles = figures or summary.summarise(con, None, kept, baseline)
        driven = self._read(
            "sustained.parquet",
            lambda path: load_tests.load_tests(con, path, samples if figures else None, rounds, percentiles),
            [],
        )
        self._read("warmups.parquet", lambda path: summary.check_calls(con, path, kept, "warmup"), None)
        use, memory = self._read(
            "resources.parquet", lambda path: resource_use.summarise(con, path, baseline.id), ([], [])
        )
        self._read(
            "stated.parquet",
            lambda path: path.exists() and read_rows(con, path, relation("stated.parquet")),
            None,
        )
        return {
            "rounds": rounds,
            "percentiles": percentiles,
            "load_tests": driven,
            "knees": load_tests.knees(driven),
            "resources": use,
            "memory_per_request": memory,
        }

    def _read(self, name: str, read: Callable[[Path], Found], otherwise: Found) -> Found:
        path = self._folder / name
        if not path.exists() and name in self._gone:
            return otherwise
        try:
            return read(path)
        except StoreError as error:
            what = (
                f"{error} It was set aside as {set_aside(path)}." if path.exists() else f"{path} is missing."
            )
            self._said.append(what)
            self._gone.add(name)
            return otherwise

    def _convert(self) -> None:
        con, kept = self._con, self._kept
        convert_names(self._folder, self._baseline)
        phases: dict[str, Phase] = {"samples.parquet": "measured", "warmups.parquet": "warmup"}
        for name, phase in phases.items():
            self._read(
                name,
                lambda path, phase=phase: convert_calls(
                    con, path, lambda new: summary.check_calls(con, new, kept, phase)
                ),
                None,
            )
        self._said.append(
            f"The samples of {self._baseline.id} were in the form of an older version; they are plain columns now."
        )


def _baseline_rows(baseline: Baseline) -> list[Row]:
    ended = baseline.ended_at_ns
    return [
        {
            "baseline_id": baseline.id,
            "stack": baseline.stack,
            "profile": baseline.profile,
            "seed": baseline.seed,
            "began_at": summary.moment(baseline.began_at_ns),
            "ended_at": None if ended is None else summary.moment(ended),
            "state": "interrupted" if ended is None else "complete",
            "forecast_s": baseline.forecast_s,
            "schema_version": SCHEMA_VERSION,
        }
    ]


def _facts(baseline: Baseline) -> list[Row]:
    found: dict[str, Mapping[str, str]] = {"host": baseline.host}
    if baseline.services:
        found["stack"] = {"services": ", ".join(baseline.services)}
    for service, facts in baseline.facts.items():
        found[service] = {**facts.settings, "product": facts.product, "version": facts.version}
    return [
        {"baseline_id": baseline.id, "service": service, "key": key, "value": str(value)}
        for service, told in found.items()
        for key, value in told.items()
    ]


def _services(baseline: Baseline) -> list[Row]:
    rows: list[Row] = []
    for service in sorted({*baseline.facts, *baseline.states, *baseline.reasons}):
        facts = baseline.facts.get(service)
        rows.append(
            {
                "baseline_id": baseline.id,
                "service": service,
                "title": title_of(service),
                "product": facts and facts.product,
                "version": facts and facts.version,
                "state": baseline.states.get(service),
                "reason": baseline.reasons.get(service),
            }
        )
    return rows


def _answers(baseline: Baseline) -> list[Row]:
    rows: list[Row] = []
    for service, answers in baseline.answers.items():
        for answer in answers:
            shape = json.dumps(dict(answer.shape), sort_keys=True)
            rows.append(
                {
                    "baseline_id": baseline.id,
                    "service": service,
                    "route": answer.route,
                    "status": answer.status,
                    "shape": shape,
                    "problem": None if answer.family else _problem(answer.route, answer.status, shape),
                }
            )
    return rows


def _refused_rows(baseline: Baseline) -> list[Row]:
    return [
        {"baseline_id": baseline.id, "service": service, "title": title, "reason": why}
        for service, told in baseline.refused.items()
        for title, why in told.items()
    ]


@cache
def _problem(route: str, status: int, shape: str) -> str | None:
    """What of an answer is not as the contract says; most baselines have the same answers, so each is asked once."""
    contract = reference_contract()
    return contract and contract.wrong(RouteAnswer(route=route, status=status, shape=json.loads(shape)))


DESCRIBED: Mapping[str, Callable[[Baseline], list[Row]]] = {
    "baselines": _baseline_rows,
    "infrastructure": _facts,
    "services": _services,
    "answers": _answers,
    "refused_rows": _refused_rows,
}
"""The tables that are made from the descriptions of baselines, and a baseline's rows of each."""
