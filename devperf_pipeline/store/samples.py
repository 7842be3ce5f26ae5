"""
How is a measured round kept so that nothing can lose it?

While a baseline is measured each round is one Parquet file, a part, in `data/incoming/<id>`: whole or absent.
When it ends its parts become one folder, `data/samples/baseline_id=<id>`; only then are they deleted.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import polars as pl

from devperf_pipeline.errors import ConfigurationError, StoreError
from devperf_pipeline.model import Baseline, ResourceReading, Round, Stated
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.baseline_file import (
    NAME,
    ROUND_KEY,
    baseline_to_json,
    read_baseline,
    round_to_json,
)
from devperf_pipeline.store.compaction import compact
from devperf_pipeline.store.parquet_rows import parquet_bytes
from devperf_pipeline.store.readings import resources_part, stated_part
from devperf_pipeline.store.whole_files import (
    BROKEN,
    PARTIAL,
    free_bytes,
    mount_point,
    not_written,
    set_aside,
    sync_folder,
    write_whole,
)


class SampleStore:
    """
    The samples of all baselines, on disk. One baseline at a time is being measured.

    Hold the measuring lock from `recover` to `finish`.
    """

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._incoming: Path | None = None
        # Readings come from a thread of their own: next() gives no number twice.
        self._parts = count()
        self._kept: set[tuple[str, int]] = set()

    def check_writable(self, *, needed_bytes: int = 200 * 2**20) -> None:
        """
        Find out before anything is measured whether it can be kept.

        Raises:
            ConfigurationError: a folder is missing and cannot be made, is a file, or cannot be written.
            StoreError: less than `needed_bytes` are free.

        """
        for folder in (self._folders.data, self._folders.incoming, self._folders.samples):
            probe = folder / f".writable{PARTIAL}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                probe.write_bytes(b"")
                probe.unlink()
            except OSError as error:
                raise ConfigurationError(
                    f"{folder} should be a folder that samples can be written to, and is not ({error.strerror}). "
                    "Make it one, or let DEVPERF_ROOT name a folder that is writable."
                ) from error
        free = free_bytes(self._folders.data)
        if free < needed_bytes:
            raise StoreError(
                f"Too little space for a baseline: {needed_bytes:,} bytes should be free in {self._folders.data}, "
                f"{free:,} are free on the file system at {mount_point(self._folders.data)}. "
                "Make space, or let DEVPERF_ROOT name a folder elsewhere."
            )

    def begin(self, baseline: Baseline) -> None:
        """
        Make room for a new baseline.

        Raises:
            StoreError: one of that id exists, or nothing can be written.

        """
        incoming = self._folders.incoming / baseline.id
        for taken in (incoming, self._finished(baseline.id)):
            if taken.exists():
                raise StoreError(
                    f"A new baseline cannot be called {baseline.id}: {taken} exists, and nothing measured is overwritten. "
                    "Start a baseline with another id."
                )
        beside = incoming.with_name(baseline.id + PARTIAL)
        try:
            beside.mkdir(parents=True, exist_ok=True)
            write_whole(beside / NAME, baseline_to_json(baseline))
            beside.rename(incoming)
            sync_folder(incoming.parent)
        except OSError as error:
            raise not_written(incoming, 4096, error) from error
        self._incoming, self._parts, self._kept = incoming, count(), set()

    def keep(self, measured: Round) -> None:
        """
        Write one round as one part. When this returns, nothing can lose it.

        Raises:
            StoreError: no baseline was begun, the round was kept already, its columns differ in length,
                or nothing can be written.

        """
        if self._incoming is None:
            raise StoreError("A round belongs to a baseline, and none was begun. Call begin first.")
        key = (measured.benchmark.id, measured.number)
        if measured.phase == "measured" and key in self._kept:
            raise StoreError(
                f"Round {measured.number} of {measured.benchmark.id} was kept already. Number rounds from 1 up."
            )
        data = _part(measured, self._incoming.name)
        # Numbered in order of arrival: a name of its own for each, and no benchmark's name in a path.
        write_whole(self._incoming / f"{next(self._parts):06d}.parquet", data)
        if measured.phase == "measured":
            self._kept.add(key)

    def keep_resources(self, readings: Sequence[ResourceReading]) -> None:
        """
        Write readings of processes as one part.

        Raises:
            StoreError: no baseline was begun, or nothing can be written.

        """
        self._keep_beside("resources", resources_part(readings))

    def keep_stated(self, stated: Stated) -> None:
        """
        Write what a reference tool said of one run as one part.

        Raises:
            StoreError: no baseline was begun, or nothing can be written.

        """
        self._keep_beside("stated", stated_part(stated))

    def _keep_beside(self, kind: str, data: bytes) -> None:
        if self._incoming is None:
            raise StoreError("What is kept belongs to a baseline, and none was begun. Call begin first.")
        # Not *.parquet in the folder itself: that is a round.
        write_whole(self._incoming / f"{next(self._parts):06d}.{kind}", data)

    def finish(self, baseline: Baseline) -> None:
        """
        Turn the parts of a baseline into its finished folder.

        Without `ended_at_ns` it counts as interrupted.

        Raises:
            StoreError: no such baseline was begun, or nothing can be written. The parts stay; `recover` goes on.

        """
        incoming = self._folders.incoming / baseline.id
        if not incoming.is_dir():
            raise StoreError(
                f"The baseline {baseline.id} should be in {incoming}, and is not. Call begin first."
            )
        write_whole(incoming / NAME, baseline_to_json(baseline))
        self._compact(incoming, baseline)
        self._incoming = None

    def finished(self) -> list[Baseline]:
        """Every finished baseline that can be read, in the order of their ids."""
        found: list[Baseline] = []
        for folder in sorted(self._folders.samples.glob("baseline_id=*")):
            with suppress(StoreError):  # the next build of the warehouse sets it aside, and says so
                found.append(read_baseline(folder / NAME, folder.name.removeprefix("baseline_id=")))
        return found

    def recover(self) -> list[str]:
        """
        Finish what a crash left, and say what was done, a sentence each.

        Raises:
            StoreError: nothing can be written.

        """
        said: list[str] = []
        self._incoming = None
        for folder in (self._folders.incoming, self._folders.samples):
            for leftover in sorted(folder.glob(f"*{PARTIAL}")):
                # Never read by anyone, and what it was made from is still there.
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        for incoming in sorted(self._folders.incoming.glob("*")):
            if incoming.is_dir() and incoming.suffix != BROKEN:
                said += self._recover_one(incoming)
        return said

    def _recover_one(self, incoming: Path) -> list[str]:
        if self._finished(incoming.name).exists():
            self._forget_parts(incoming)
            return [
                f"The baseline {incoming.name} was finished; the parts that it was made from are now deleted."
            ]
        try:
            baseline = read_baseline(incoming / NAME, incoming.name)
        except StoreError as error:
            return [f"{error} Its rounds were set aside as {set_aside(incoming)}."]
        broken, rounds = self._compact(incoming, baseline)
        how = "interrupted" if baseline.ended_at_ns is None else "complete, but not yet put together"
        return [*broken, f"The baseline {baseline.id} was {how}; its {rounds:,} finished rounds are kept."]

    def _compact(self, incoming: Path, baseline: Baseline) -> tuple[list[str], int]:
        """What was set aside, and how many rounds are kept."""
        broken, rounds = compact(incoming, self._finished(baseline.id), baseline)
        self._forget_parts(incoming)
        return broken, rounds

    def _forget_parts(self, incoming: Path) -> None:
        """Delete the parts of a finished baseline; those that were set aside move to it."""
        for broken in incoming.glob(f"*{BROKEN}"):
            broken.rename(self._finished(incoming.name) / broken.name)
        shutil.rmtree(incoming)

    def _finished(self, baseline_id: str) -> Path:
        return self._folders.samples / f"baseline_id={baseline_id}"


def _part(measured: Round, baseline_id: str) -> bytes:
    """The round as a Parquet file. The end of a call is in it and not its begin: ends come in order and pack well."""
    lengths = {len(measured.begin_ns), len(measured.latency_ns), len(measured.outcome)}
    if len(lengths) > 1:
        raise StoreError(
            f"Round {measured.number} of {measured.benchmark.id} should have one begin, latency and outcome a call, "
            f"and has {len(measured.begin_ns)}, {len(measured.latency_ns)} and {len(measured.outcome)}."
        )
    latency = _column("latency_ns", measured.latency_ns)
    end = (_column("begin_ns", measured.begin_ns) + latency).alias("end_ns")
    frame = pl.DataFrame([end, latency, pl.Series("outcome", measured.outcome, dtype=pl.Int8)]).select(
        pl.lit(baseline_id).alias("baseline_id"),
        pl.lit(measured.benchmark.id).alias("benchmark"),
        pl.lit(measured.number, dtype=pl.Int32).alias("round"),
        pl.lit(measured.phase).alias("phase"),
        "end_ns",
        "latency_ns",
        "outcome",
    )
    about = round_to_json(measured, int(end.sum()), int(latency.sum()))
    return parquet_bytes(frame, **{ROUND_KEY: about})


def _column(name: str, values: Sequence[int]) -> pl.Series:
    return pl.Series(name, values, dtype=pl.Int64)
