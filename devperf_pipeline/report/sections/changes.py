"""What does a report say of what changed since the reference?"""

import math
import statistics
from collections import Counter
from typing import TYPE_CHECKING

from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Block, Lines, Section, Table, columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devperf_pipeline.analyse.judgements import Change, Changes
    from devperf_pipeline.report.loaded import Report

SHOWN = 12
"""So many rows and facts are named; the rest is one query away."""

_ENOUGH_FOR_MOST = 20
"""Of fewer figures "nine in ten" says nothing."""

TITLE = "What changed"


def changed(view: "Report", found: "Changes | None") -> Section:
    """The verdicts against the reference: how many of each, the largest changes, and what could not be told and why."""
    if found is None:
        return Section(
            TITLE, ["There is no earlier complete baseline of this stack: nothing to compare with."]
        )
    blocks: list[Block] = [_counts(found)]
    if found.infrastructure:
        blocks += ["Not the same as then:", Lines(_facts(view, found))]
    moved = [row for row in found.rows if row.verdict in {"slower", "faster"}]
    moved.sort(key=lambda row: abs((row.ratio or 1) - 1), reverse=True)
    if moved:
        blocks.append(_table(view, moved[:SHOWN]))
        if len(moved) > SHOWN:
            blocks.append(f"Changed as well: {len(moved) - SHOWN} more.")
        blocks.append(
            "A change counts when a second baseline says the same: measure again before acting on one."
        )
    blocks.append(" ".join(_doubts(found)))
    return Section(TITLE, [block for block in blocks if block])


def _counts(found: "Changes") -> str:
    sentences: list[str] = []
    for metric in ("p50", "p95"):
        words = Counter(row.verdict for row in found.rows if row.metric == metric)
        counted = ", ".join(f"{words[word]} {word}" for word in words if word in {"slower", "faster"})
        rest = ", ".join(
            f"{count} {word}" for word, count in words.items() if word not in {"slower", "faster"}
        )
        said = ", ".join(part for part in (counted, rest) if part)
        if said and set(words) != {"cannot tell"}:
            sentences.append(f"{metric}: {said}.")
    when = f"Against baseline {show.cell(found.reference_id)} of {show.moment(found.reference_began_ns)}"
    if sentences:
        return f"{when}. {' '.join(sentences)}"
    if found.rows:
        return f"{when}. No benchmark moved by so much that it could be told."
    return f"{when}: no benchmark in common."


def _facts(view: "Report", found: "Changes") -> list[str]:
    lines = [
        f"{show.cell(view.title_of(service))}, {show.cell(key)}: {show.cell(before)} → {show.cell(now)}"
        for service, key, before, now in found.infrastructure[:SHOWN]
    ]
    more = len(found.infrastructure) - SHOWN
    return [*lines, f"and {more} facts more"] if more > 0 else lines


def _table(view: "Report", rows: "Sequence[Change]") -> Table:
    head, rule = columns(
        "service", "operation", "users and instrument", "metric", "verdict", "before", "now", "change", "smallest visible",
        words=5,
    )  # fmt: skip
    return Table(
        head,
        rule,
        [
            [
                show.cell(view.title_of(row.service)),
                show.cell(row.title),
                show.cell(" ".join(row.benchmark.split("/")[2:])),
                row.metric,
                f"**{row.verdict}**{', provisional' if row.provisional else ''}",
                show.duration(row.before_ns),
                show.duration(row.now_ns),
                show.change(row.ratio),
                show.change(_visible(row)),
            ]
            for row in rows
        ],
    )


def _visible(row: "Change") -> float | None:
    """The smallest change in the direction of this one that could be told."""
    visible = row.visible
    return 1 / visible if visible and row.verdict == "faster" else visible


def _doubts(found: "Changes") -> list[str]:
    """How much could have been told at all, and why no more."""
    sentences: list[str] = []
    if found.drift is not None and abs(found.drift - 1) > 0.05:
        sentences.append(
            f"All medians together moved by {show.change(found.drift)}: that is the machine, more than any service."
        )
    sentences += _scale(found)
    reasons = Counter(row.reason for row in found.rows if row.reason)
    if reasons:
        reason, count = reasons.most_common(1)[0]
        sentences.append(f"Of {sum(reasons.values())} that were not compared, {count}: {show.prose(reason)}.")
    return sentences


def _scale(found: "Changes") -> list[str]:
    """How far the figures lie from those of then, how far they must lie before that is a change, and what makes it less."""
    compared = [row for row in found.rows if row.ratio and row.visible]
    if not compared:
        return []
    moves = sorted((abs(math.log(row.ratio or 1)), row.ratio or 1) for row in compared)
    sentences: list[str] = []
    if len(moves) >= _ENOUGH_FOR_MOST:
        most, furthest = math.exp(moves[len(moves) * 9 // 10][0]), moves[-1][1]
        sentences.append(
            f"Of {len(moves)} figures that could be compared, nine in ten lie within {_plus(most)} of then, "
            f"the furthest at {show.change(furthest)}."
        )
    least = statistics.median(row.visible or 1 for row in compared)
    repeats = max(row.repeats for row in compared)
    more = min(row.missing_repeats for row in compared)
    if more:
        sentences.append(
            f"Changes below {_plus(least)} cannot be told yet: how far two runs of an unchanged stack lie apart "
            f"on this machine is learnt from {repeats + more} earlier baselines, and there "
            f"{'is 1' if repeats == 1 else f'are {repeats}'}. Measure {'once' if more == 1 else f'{more} times'} more."
        )
    else:
        sentences.append(
            f"In the median row, changes below {_plus(least)} cannot be told: so far do runs of this machine lie "
            f"apart by themselves, as {repeats} earlier baselines say."
        )
    return sentences


def _plus(ratio: float) -> str:
    return show.change(ratio).removeprefix("+")
