"""What does the command line say while a baseline runs, and when it has ended?"""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from devperf_pipeline.measure.progress import Progress, spoken
from devperf_pipeline.report import format as show
from devperf_pipeline.report.loaded import load
from devperf_pipeline.report.rows import Part, Run
from devperf_pipeline.stack.folders import Folders

LONGEST_REASON = 600
TELL_EVERY_S = 15.0

Tell = Callable[[Progress], None]


def to_terminal(message: str) -> None:
    """One line; a terminal that was closed, or a pipe that nobody reads any more, does not cost the measurement."""
    with suppress(OSError):
        print(message, file=sys.stderr, flush=True)  # noqa: T201 - the command line's own progress


def on_terminal() -> Tell:
    """Each round in the same line of a terminal; where there is none, a line now and then."""
    if not sys.stderr.isatty():
        return now_and_then(to_terminal)

    def tell(progress: Progress) -> None:
        with suppress(OSError):
            end = "\n" if progress.done == progress.of else ""
            print(f"\r\x1b[2K{str(progress)[:118]}", end=end, file=sys.stderr, flush=True)  # noqa: T201 - the same

    return tell


def now_and_then(say: Callable[[str], None]) -> Tell:
    """The last round, and of the others as many as somebody reads."""
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > TELL_EVERY_S or progress.done == progress.of:
            last = time.monotonic()
            say(str(progress))

    return tell


@dataclass(frozen=True, slots=True)
class Ending:
    """A few lines for a terminal, and how many services have been measured."""

    text: str
    measured: int


def ending(folders: Folders) -> Ending:
    """What the newest baseline measured, what it did not and why, and where to look."""
    with load(folders) as view:
        parts = view.parts
    measured = [part for part in parts if part.new]
    failed = [part for part in parts if part.asked and part.state != "measured"]
    folder = folders.samples / f"baseline_id={view.run.baseline_id}"
    lines = [
        "",
        f"Baseline {view.run.baseline_id}{_took(view.run)}",
        *map(_measured, measured),
        *(f"  {part.service:<17} {part.state or 'cut short'}: {_reason(part)}" for part in failed),
        *(
            f"  {part.service:<17} in part: {_reason(part)}"
            for part in measured
            if part.state == "measured" and part.reason
        ),
        "",
        f"  report   {folders.reports / 'latest.md'}",
        f"  samples  {folder / 'samples.parquet'}",
        f"  tables   {folders.warehouse}  (any DuckDB client, for example: from current)",
    ]
    return Ending("\n".join(lines), len(measured))


def _took(run: Run) -> str:
    """How long it took, and how long it should have."""
    if run.ended_at_ns is None or run.forecast_s is None:
        return ""
    took_s = (run.ended_at_ns - run.began_at_ns) / 1e9
    return f", measured in {spoken(took_s)} (forecast: {spoken(run.forecast_s)})"


def _measured(part: Part) -> str:
    calls = show.count(sum(row.n for row in part.new))
    invalid = sum(not row.valid for row in part.new)
    readings = "1 reading does" if invalid == 1 else f"{invalid} readings do"
    doubt = f"; {readings} not count, the report says why" if invalid else ""
    return f"  {part.service:<17} {show.plain(part.product or '', 44):<45} {calls:>9} calls{doubt}"


def _reason(part: Part) -> str:
    return show.plain(part.reason or "no reason was stored", LONGEST_REASON)
