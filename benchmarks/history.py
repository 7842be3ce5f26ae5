"""
Does it stay quick when a history grows long: a thousand baselines of 150 benchmarks?

One small baseline is measured through the store's own code, then repeated under other ids, each with figures of its own.
Printed is what building the tables from its summaries takes, comparing two baselines, rendering the report, and the
peak memory of each, beside what they may take; questions are asked five times and the quickest counts, since
other processes only ever add. On a busy machine the CPU time says more than the time on the clock.

    uv run python -m benchmarks.history [BASELINES]
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from array import array
from dataclasses import replace
from pathlib import Path

import polars as pl

from benchmarks.peak import peak_bytes
from devperf_pipeline.model import Baseline, Benchmark, Facts, Load, Round
from devperf_pipeline.report.render import render
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import summaries, warehouse
from devperf_pipeline.store.baseline_file import NAME, baseline_to_json
from devperf_pipeline.store.samples import SampleStore

BASELINES = 1000
BENCHMARKS = 150
ROUNDS = 5
CALLS = 400
DAY_NS = 86_400 * 10**9
BEGAN_NS = 1_700_000_000 * 10**9
MOST_BYTES = 1 << 30

STEPS = {
    "build": ("tables from summaries", 20.0),
    "compare": ("compare two baselines", 0.2),
    "history": ("history of a benchmark", 0.2),
    "coverage": ("coverage", 0.5),
    "lint": ("lint of everything", 5.0),
    "report": ("report of the newest", 5.0),
}
"""Each step, what it is, and how many seconds it may take."""


def main() -> None:
    """Make the history, time each step in a process of its own, print the table."""
    if len(sys.argv) == 4:
        step(sys.argv[2], Folders(Path(sys.argv[3])))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else BASELINES
    with tempfile.TemporaryDirectory(prefix="devperf-history-", dir="/var/tmp") as place:
        make(Folders(Path(place)), count)
        print(f"{count:,} baselines of {BENCHMARKS} benchmarks, {ROUNDS} rounds each")
        for name, (about, most_s) in STEPS.items():
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.history", "step", name, place],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "DEVPERF_ROOT": place},
            )
            seconds, cpu_s, peak = json.loads(done.stdout.splitlines()[-1])
            verdict = "" if seconds <= most_s and peak <= MOST_BYTES else "  TOO MUCH"
            print(
                f"{about:<24} {seconds:7.3f} s of {most_s:5.1f} ({cpu_s:6.3f} s of CPU) "
                f"{peak / MOST_BYTES:6.2f} GiB of 1{verdict}"
            )


def make(folders: Folders, count: int) -> None:
    """One baseline through the store, and its like under `count` - 1 other ids."""
    store = SampleStore(folders)
    first = baseline(0)
    store.begin(first)
    for number in range(1, ROUNDS + 1):
        for place in range(BENCHMARKS):
            store.keep(one_round(place, number))
    store.finish(replace(first, ended_at_ns=first.began_at_ns + 3600 * 10**9))
    warehouse.build(folders)
    origin = folders.samples / f"baseline_id={first.id}"
    summary = folders.data / "derived"
    [made] = summary.glob(f"*/{first.id}")
    frames = {name: pl.read_parquet(made / f"{name}.parquet") for name in ("rounds", "percentiles")}
    for day in range(1, count):
        repeat(folders, origin, made, frames, day)


def repeat(folders: Folders, origin: Path, made: Path, frames: dict[str, pl.DataFrame], day: int) -> None:
    """Samples are the same file under another name; figures are up to 3 % others, and summarised already."""
    one = baseline(day)
    folder, place = folders.samples / f"baseline_id={one.id}", made.with_name(one.id)
    folder.mkdir()
    place.mkdir()
    for file in origin.glob("*.parquet"):
        os.link(file, folder / file.name)
    ended = replace(one, ended_at_ns=one.began_at_ns + 3600 * 10**9)
    (folder / NAME).write_bytes(baseline_to_json(ended))
    factor = random.Random(day).uniform(0.97, 1.03)  # noqa: S311 - repeatable on purpose
    times = [f"{name}_ns" for name in ("min", "p50", "p90", "p95", "p99", "p999", "max")]
    for name, frame in frames.items():
        when = "began_at" if name == "rounds" else "measured_at"
        frame.with_columns(
            pl.lit(one.id).alias("baseline_id"),
            pl.col(when) + pl.duration(days=day),
            *((pl.col(column) * factor).round().cast(frame.schema[column]) for column in times),
        ).write_parquet(place / f"{name}.parquet", compression="zstd", compression_level=3)
    for name in set(summaries.SUMMARIES) - frames.keys():
        os.link(made / f"{name}.parquet", place / f"{name}.parquet")  # nothing of the kind was measured
    stamps = summaries._stamps(folder, place)  # noqa: SLF001 - what tells the store that a summary is fresh
    (place / "stamp.json").write_text(json.dumps(stamps), encoding="utf-8")


def baseline(day: int) -> Baseline:
    """A day's baseline; all are of one machine."""
    facts = {
        f"service{number}": Facts(
            product=f"Service {number}", version="1.0", settings={f"setting{k}": "on" for k in range(12)}
        )
        for number in range(13)
    }
    return Baseline(
        id=f"2023{day:04}T031500Z-{day:04x}",
        stack="local",
        profile="quick",
        seed=day,
        began_at_ns=BEGAN_NS + day * DAY_NS,
        host={"cpu_model": "two cores", "cpu_cores": "2", "memory_bytes": "25276510208"},
        facts=facts,
        operations={
            benchmark(place).id.rsplit("/", 2)[0]: f"operation {place}" for place in range(BENCHMARKS)
        },
        states=dict.fromkeys(facts, "measured"),
    )


def benchmark(place: int) -> Benchmark:
    """One of 150, spread over thirteen services."""
    return Benchmark(f"service{place % 13}", f"operation-{place}", Load(1), "engine")


def one_round(place: int, number: int) -> Round:
    """A few hundred calls one after another."""
    drawn = random.Random(f"{place}/{number}")  # noqa: S311 - repeatable on purpose
    latency = array("q", (int(20_000 * (1 + place) * drawn.lognormvariate(0, 0.1)) for _ in range(CALLS)))
    begin, now = array("q"), 0
    for each in latency:
        begin.append(now)
        now += each + 2_000
    return Round(
        benchmark=benchmark(place),
        number=number,
        phase="measured",
        began_at_ns=BEGAN_NS + (number * BENCHMARKS + place) * 10**9,
        elapsed_ns=now,
        begin_ns=begin,
        latency_ns=latency,
        outcome=array("b", bytes(CALLS)),
        placement="together:1",
        other_cpu=0.05,
    )


def step(name: str, folders: Folders) -> None:
    """Do one step, and print its seconds, those of CPU, and the peak memory of this process in bytes."""
    ids = sorted(path.name.removeprefix("baseline_id=") for path in folders.samples.glob("baseline_id=*"))
    questions = {
        "compare": f"from compare('{ids[-2]}', '{ids[-1]}')",
        "history": f"from history('{benchmark(7).id}')",
        "coverage": "from coverage",
        "lint": "from lint",
    }
    times: list[tuple[float, float]] = []
    for _ in range(5 if name in questions else 1):
        began, cpu = time.perf_counter(), time.process_time()
        if name == "build":
            warehouse.build(folders)
        elif name == "report":
            render(folders)
            shutil.rmtree(folders.reports)
        else:
            with warehouse.connect(folders) as con:
                con.execute(questions[name]).fetchall()
        times.append((time.perf_counter() - began, time.process_time() - cpu))
    seconds, cpu_s = min(times)
    print(json.dumps([seconds, cpu_s, peak_bytes()]))


if __name__ == "__main__":
    main()
