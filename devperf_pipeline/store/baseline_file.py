"""How is a baseline written down beside its samples, and read again?"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from devperf_pipeline.errors import StoreError
from devperf_pipeline.model import Baseline, Benchmark, Facts, Load, Round, RouteAnswer

SCHEMA_VERSION = 2
"""Raised when files of samples are no longer what an older version of this project can read."""

READABLE = (1, SCHEMA_VERSION)
"""The versions that can be read; the files of an older one are converted when the warehouse is built (converting.py)."""

NAME = "baseline.json"

ROUND_KEY = "round"
"""Where a part's metadata says what its round was."""


def baseline_to_json(baseline: Baseline) -> bytes:
    """Everything the baseline knows of itself, readable by people."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(baseline)}, indent=1, default=dict).encode()


def read_baseline(path: Path, baseline_id: str) -> Baseline:
    """
    The baseline that `path` (a baseline.json) describes.

    Raises:
        StoreError: it is missing, damaged, of another baseline, or was written by another version of this project.

    """
    try:
        found = json.loads(path.read_bytes())
        version = found.pop("schema_version")
        if version in READABLE:
            facts = {str(name): Facts(**fact) for name, fact in found.pop("facts").items()}
            answers = {
                str(name): [RouteAnswer(**answer) for answer in told]
                # Older baselines do not know what was answered.
                for name, told in found.pop("answers", {}).items()
            }
            return _checked(Baseline(facts=facts, answers=answers, **found), baseline_id)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"{path} should describe a baseline and cannot be read ({error!r}).") from error
    raise StoreError(
        f"{path} has schema version {version!r}; this version of the project reads up to {SCHEMA_VERSION}. "
        "Use the version that wrote it, or measure again."
    )


def _checked(baseline: Baseline, baseline_id: str) -> Baseline:
    """
    The same baseline, if it has that id and its fields are of the kind that tables are made of.

    Raises:
        ValueError: it is another baseline.
        TypeError: a field is of another kind.

    """
    if baseline.id != baseline_id:
        raise ValueError(f"it describes {baseline.id!r} in the place of {baseline_id!r}")
    whole = (baseline.seed, baseline.began_at_ns, baseline.ended_at_ns or 0)
    maps: tuple[Any, ...] = (baseline.host, baseline.operations, baseline.states, baseline.reasons)
    if (
        not all(isinstance(name, str) for name in (baseline.id, baseline.stack, baseline.profile))
        or not all(isinstance(number, int) for number in whole)
        or not all(isinstance(table, Mapping) for table in maps)
    ):
        raise TypeError("a field has another type than it should")
    return baseline


ELSEWHERE = {"benchmark", "number", "sustained", "throttling", "begin_ns", "latency_ns", "outcome"}
"""The fields of a round that are samples, or are written down in another way."""


def round_to_json(measured: Round, end_sum_ns: int, latency_sum_ns: int) -> str:
    """Everything about a round but its samples, and sums by which damage to them is told."""
    benchmark = measured.benchmark
    told = {field.name for field in fields(measured)} - ELSEWHERE
    return json.dumps(
        {
            "service": benchmark.service,
            "operation": benchmark.operation,
            "users": benchmark.load.users,
            "sustained": benchmark.load.sustained,
            "instrument": benchmark.instrument,
            "round": measured.number,
            **{name: getattr(measured, name) for name in told},
            **(asdict(measured.throttling) if measured.throttling else {}),
            "drive": asdict(measured.sustained) if measured.sustained else None,
            "calls": len(measured.latency_ns),
            "end_sum_ns": end_sum_ns,
            "latency_sum_ns": latency_sum_ns,
            "outcome_sum": sum(measured.outcome),
        }
    )


def round_from_json(text: str) -> dict[str, Any]:
    """
    What `round_to_json` wrote, with the benchmark's id and load.

    Raises:
        StoreError: it is not that.

    """
    try:
        found = json.loads(text)
        load = Load(found["users"], found.get("sustained", False))
        benchmark = Benchmark(found["service"], found["operation"], load, found["instrument"])
        key = (found["phase"], found["round"], found["began_at_ns"], found["elapsed_ns"], found["placement"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the description of its round is damaged ({error!r})") from error
    if None in key:
        raise StoreError("the description of its round is incomplete")
    return {"benchmark": benchmark.id, "load": str(benchmark.load), **found}
