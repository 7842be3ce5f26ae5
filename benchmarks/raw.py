"""
Are exact percentiles of every round had from raw samples as fast as DuckDB alone can, and in little memory?

Files of five million calls each, as the store writes them. Each side in a process of its own, in alternation: ours is
the statement that the summaries are made with, one file after another; DuckDB's is a scan with the same quantiles and
nothing else. Printed is the ratio, and the peak memory of both.

    uv run python -m benchmarks.raw [MILLIONS]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.peak import peak_bytes
from devperf_pipeline.store.sql_files import statement

MILLIONS = 100
FILE_CALLS = 5_000_000
ROUND_CALLS = 20_000
PAIRS = 3
MOST_RATIO = 1.2
MOST_BYTES = 1 << 28

MAKE = """
copy (
    with calls as (
        select
            i,
            i // 100000 as place,
            i // 20000 as number,
            (20000 * (1 + i // 100000 % 150) * exp(0.12 * sqrt(-2 * ln(random() + 1e-12)) * cos(2 * pi() * random()))
                * case when random() < 0.02 then 8 else 1 end)::bigint as latency_ns
        from range($calls) as t(i)
    )
    select
        'service/operation-' || place || '/closed-1/engine' as benchmark,
        (number % 5 + 1)::integer as round,
        sum(latency_ns + 2000) over (partition by number order by i)::bigint - latency_ns as begin_ns,
        latency_ns,
        0::tinyint as outcome
    from calls
    order by i
) to $target (format parquet, parquet_version v2, compression zstd, compression_level 3, row_group_size 100000)
"""

ALONE = """
select benchmark, round, count(*), max(latency_ns), quantile_disc(latency_ns, [0.5, 0.9, 0.95, 0.99, 0.999])
from read_parquet($file)
group by benchmark, round
"""


def main() -> None:
    """Make the files, time both sides in alternation, print their ratio."""
    if len(sys.argv) == 4:
        one(sys.argv[2], Path(sys.argv[3]))
        return
    millions = int(sys.argv[1]) if len(sys.argv) > 1 else MILLIONS
    with tempfile.TemporaryDirectory(prefix="devperf-raw-", dir="/var/tmp") as place:
        files = make(Path(place), millions * 1_000_000)
        print(f"{millions} million samples in {files} files, {PAIRS} pairs")
        found: dict[str, list[tuple[float, int]]] = {"ours": [], "alone": []}
        for _ in range(PAIRS):
            for side, times in found.items():
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.raw", "side", side, place],
                    check=True,
                    capture_output=True,
                    text=True,
                    env=dict(os.environ),
                )
                seconds, peak = json.loads(done.stdout)
                times.append((seconds, peak))
    for side, times in found.items():
        seconds = ", ".join(f"{one:.2f}" for one, _ in times)
        print(f"{side:<6} {seconds} s, peak {max(peak for _, peak in times) / (1 << 30):.2f} GiB")
    ratio = statistics.median(
        ours / alone for (ours, _), (alone, _) in zip(found["ours"], found["alone"], strict=True)
    )
    peak = max(peak for _, peak in found["ours"])
    verdict = "" if ratio <= MOST_RATIO and peak <= MOST_BYTES else "  TOO MUCH"
    print(f"ratio {ratio:.2f} of at most {MOST_RATIO}, peak {peak / (1 << 30):.2f} GiB of 0.25{verdict}")


def make(folder: Path, calls: int) -> int:
    """Write the files; how many there are."""
    whole = max(1, calls // FILE_CALLS)
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        for number in range(whole):
            con.execute(MAKE, {"calls": min(calls, FILE_CALLS), "target": str(folder / f"{number}.parquet")})
    return whole


def one(side: str, folder: Path) -> None:
    """All files, one after another; prints seconds and the peak memory of this process in bytes."""
    text, parameters = (statement("summary_calls"), {"by_round": True}) if side == "ours" else (ALONE, {})
    began = time.perf_counter()
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        for file in sorted(folder.glob("*.parquet")):
            con.execute(text, {"file": str(file), **parameters}).fetchall()
    seconds = time.perf_counter() - began
    print(json.dumps([seconds, peak_bytes()]))


if __name__ == "__main__":
    main()
