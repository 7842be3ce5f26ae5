"""What changed since the reference?"""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devperf_pipeline.analyse.judgements import Change
    from devperf_pipeline.report.loaded import Report

SHOWN = 12
"""So many rows and facts are named; the rest is one query away."""

_ENOUGH_FOR_MOST = 20
"""Of fewer figures "nine in ten" says nothing."""

_MOVED = ("slower", "faster")


def changes(report: "Report") -> Mapping[str, Any]:
    """The verdicts against the reference: how many of each, the largest changes, and what cannot be told and why."""
    found = report.changes
    if found is None:
        return {"found": None}
    moved = [row for row in found.rows if row.verdict in _MOVED]
    moved.sort(key=lambda row: abs((row.ratio or 1) - 1), reverse=True)
    reasons = Counter(row.reason for row in found.rows if row.reason)
    return {
        "found": found,
        "verdicts": {metric: words for metric in ("p50", "p95") if (words := _verdicts(found.rows, metric))},
        "facts": found.infrastructure[:SHOWN],
        "more_facts": max(0, len(found.infrastructure) - SHOWN),
        "moved": [(row, _visible(row)) for row in moved[:SHOWN]],
        "plans": list(dict.fromkeys(map(_plan, filter(_has_another_plan, moved)))),
        "more_moved": max(0, len(moved) - SHOWN),
        "drifted": found.drift is not None and abs(found.drift - 1) > 0.05,
        "reasons": (*reasons.most_common(1)[0], sum(reasons.values())) if reasons else None,
        **_scale(found.rows),
    }


def _has_another_plan(row: "Change") -> bool:
    return (
        row.verdict == "slower"
        and None not in (row.plan_before, row.plan_now)
        and row.plan_before != row.plan_now
    )


def _plan(row: "Change") -> tuple[str, str, str, str]:
    """A row that got slower since the server answers it in another way: service, title, and how then and now."""
    return row.service, row.title, row.plan_before or "", row.plan_now or ""


def _verdicts(rows: "Sequence[Change]", metric: str) -> Mapping[str, int]:
    """How many rows have which verdict, changes first; nothing where none can be told."""
    words = Counter(row.verdict for row in rows if row.metric == metric)
    if set(words) <= {"cannot tell"}:
        return {}
    return {word: words[word] for word in sorted(words, key=lambda word: word not in _MOVED)}


def _visible(row: "Change") -> float | None:
    """The smallest change in the direction of this one that could be told."""
    return 1 / row.visible if row.visible and row.verdict == "faster" else row.visible


def _scale(rows: "Sequence[Change]") -> Mapping[str, Any]:
    """How far the figures lie from those of then, how far they must lie before that is a change, and what makes it less."""
    compared = [row for row in rows if row.ratio and row.visible]
    moves = sorted((abs(math.log(row.ratio or 1)), row.ratio or 1) for row in compared)
    enough = len(moves) >= _ENOUGH_FOR_MOST
    return {
        "compared": len(compared),
        "most": math.exp(moves[len(moves) * 9 // 10][0]) if enough else None,
        "furthest": moves[-1][1] if enough else None,
        "least": statistics.median(row.visible or 1 for row in compared) if compared else None,
        "repeats": max((row.repeats for row in compared), default=0),
        "missing": min((row.missing_repeats for row in compared), default=0),
    }
