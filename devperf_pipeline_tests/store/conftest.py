"""What do the tests of the store share: rounds whose calls they choose, and a project folder to keep them in."""

import random
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devperf_pipeline.model import Baseline, Benchmark, Facts, Load, Round
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.samples import SampleStore

BEGAN_NS = 1_795_576_500_000_000_000
"""2026-11-25 03:15:00 UTC."""

MakeRound = Callable[..., Round]
MakeBaseline = Callable[..., Baseline]
Measure = Callable[..., Baseline]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """An empty project."""
    return Folders(tmp_path)


@pytest.fixture
def make_round() -> MakeRound:
    """Make a round of calls one after another, 2 µs apart; by default 100 calls of 1 to 100 µs."""

    def make(number: int = 1, latency_ns: Sequence[int] | None = None, **values: Any) -> Round:
        latency = array("q", latency_ns if latency_ns is not None else [1000 * k for k in range(1, 101)])
        begin, now = array("q"), 0
        for one in latency:
            begin.append(now)
            now += one + 2000
        found: dict[str, Any] = {
            "benchmark": Benchmark("redis", "get-hit", Load(1), "engine"),
            "phase": "measured",
            "began_at_ns": BEGAN_NS + number * 10**9,
            "elapsed_ns": now,
            "begin_ns": begin,
            "outcome": array("b", bytes(len(latency))),
            "placement": "together:1",
            "other_cpu": 0.05,
        }
        return Round(number=number, latency_ns=latency, **{**found, **values})

    return make


@pytest.fixture
def make_baseline() -> MakeBaseline:
    """Make a baseline of one service; `day` is the day of November 2026."""

    def make(day: int = 25, **values: Any) -> Baseline:
        found: dict[str, Any] = {
            "id": f"202611{day:02}T031500Z-3f9a",
            "stack": "local",
            "profile": "quick",
            "seed": 42,
            "began_at_ns": BEGAN_NS + (day - 25) * 86_400 * 10**9,
            "host": {"cpu": "two cores", "hostile": "a 'quote'; | <b>\0"},
            "facts": {"redis": Facts(product="Redis", version="7.0.15", settings={"maxmemory": "256mb"})},
            "operations": {"redis/get-hit": "GET (hit)"},
        }
        return Baseline(**{**found, **values})

    return make


@pytest.fixture
def measure(folders: Folders, make_baseline: MakeBaseline) -> Measure:
    """Keep rounds as one finished baseline."""

    def keep(rounds: Sequence[Round], day: int = 25, **values: Any) -> Baseline:
        store = SampleStore(folders)
        baseline = make_baseline(day, **values)
        store.begin(baseline)
        for one in rounds:
            store.keep(replace(one, began_at_ns=one.began_at_ns + (day - 25) * 86_400 * 10**9))
        ended = replace(baseline, ended_at_ns=baseline.began_at_ns + 60 * 10**9, states={"redis": "measured"})
        store.finish(ended)
        return ended

    return keep


@pytest.fixture
def closed_load() -> Callable[..., tuple[Sequence[int], Sequence[int]]]:
    """Begins and latencies as a closed load on loopback gives them: a narrow hill, a few slow calls, order of ends."""

    def load(users: int, calls: int, seed: int) -> tuple[Sequence[int], Sequence[int]]:
        drawn = random.Random(seed)  # noqa: S311 - repeatable on purpose
        free, done = [0] * users, list[tuple[int, int, int]]()
        for _ in range(calls):
            user = min(range(users), key=free.__getitem__)
            slow = 8 if drawn.random() < 0.02 else 1
            latency = int(15_000 * users * slow * drawn.lognormvariate(0, 0.12))
            done.append((free[user] + latency, free[user], latency))
            free[user] += latency + 2_000 + int(drawn.expovariate(1 / 300))
        done.sort()
        return array("q", [one[1] for one in done]), array("q", [one[2] for one in done])

    return load
