"""What does a report say of what others published of the same?"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from devperf_pipeline.model import is_routed
from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Section, Table, columns
from devperf_pipeline.services import kind_of

if TYPE_CHECKING:
    from devperf_pipeline.analyse.lint import Contradiction
    from devperf_pipeline.report.model import Report
    from devperf_pipeline.report.report_data import Cell

WEAK = "‡"
"""Stands in place of a figure of too few calls or readings, which `coverage` has, with how many they were."""

_NOT_FOUND = "not found"

_WORDS = {"slower than fastest": "slower than the fastest of these rows"}
"""Metrics whose names say too little."""

_RANGE = re.compile(r"^\[([\d.]+), ([\d.]+)\]$")


def unheard_of(view: "Report") -> bool:
    """Whether the stack is nothing but APIs of which nobody else has published anything."""
    return bool(view.parts) and all(is_routed(part.service) for part in view.parts)


def publication(view: "Report", cells: "Sequence[Cell]") -> Section | None:
    """
    One line a published row: each of its figures as it was measured here, in brackets as it was published.

    None where nothing is published, or nothing of it was measured but the machine.
    """
    applying = [cell for cell in cells if cell.applies]
    filled = [cell for cell in applying if cell.filled]
    if not filled or unheard_of(view):
        return None
    rows: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.table_name, cell.subject, cell.row_name), []).append(cell)
    names = ", ".join(show.cell(name) for name in sorted({cell.published_id for cell in cells}))
    about = (
        f"Each figure as it was measured here, in brackets as the published baseline of {names} has it: another "
        f"machine, other versions, never compared as if they were one. Measured: {len(filled)} of the {len(applying)} "
        f"figures that apply here ({show.percent(len(filled) / len(applying))}); {len(cells) - len(applying)} do not. "
        f"{show.DASH}{WEAK} is one of too few calls or readings; the view `coverage` has it, and says why others are "
        f"missing ({show.DASH})."
    )
    lines = [
        [
            show.cell(table),
            show.cell(_row_name(view, kept[0])),
            " · ".join(_figure(cell) for cell in kept),
        ]
        for (table, _, _), kept in rows.items()
    ]
    head, rule = columns("published table", "row", "measured (published)", words=3)
    return Section("Beside the published baseline", [about, Table(head, rule, lines)])


def contradicted(baseline_id: str, found: "Sequence[Contradiction]") -> list[str]:
    """Notes on figures that contradict each other: in this baseline's tables, then in what others published."""
    ours = [one for one in found if one.source == baseline_id]
    notes = [_contradiction(one) for one in ours] or [
        (
            "Arithmetic (order of percentiles, bounds, sums, rates; Little's law within 30 %, where each user asked "
            "ten times a round or more): nothing in this baseline contradicts itself."
        )
    ]
    theirs: dict[tuple[str, str], list[Contradiction]] = {}
    for one in found:
        if one.published:
            theirs.setdefault((one.source, one.rule), []).append(one)
    return [*notes, *(_alike(those) for those in theirs.values())]


def _alike(found: "Sequence[Contradiction]") -> str:
    """The first of those that one rule found, and how many more."""
    more = len(found) - 1
    places = "place" if more == 1 else "places"
    return _contradiction(found[0]) + (
        f"; alike in {more} more {places} (`devperf coverage`)" if more else ""
    )


def _contradiction(one: "Contradiction") -> str:
    where = "" if not one.published else f"{show.cell(one.source)}, "
    return f"Contradiction: {where}{show.cell(one.place)}: {show.prose(one.sentence)}"


def _row_name(view: "Report", cell: "Cell") -> str:
    """What a published row is about: our name of the service that was measured for it, and the row's own."""
    if cell.row_name == cell.subject:
        return view.title_of(cell.subject.replace("-", "_")) if cell.subject.islower() else cell.row_name
    return f"{view.title_of(cell.service if kind_of(cell.service) else cell.subject)}: {cell.row_name}"


def _figure(cell: "Cell") -> str:
    name = show.cell(_WORDS.get(cell.metric, cell.metric.replace("_", " ")))
    unit = f" {show.cell(cell.unit)}" if cell.unit else ""
    write = show.cell if cell.metric == "version" else _number
    doubt = WEAK if cell.filled and cell.reason else ""
    if cell.measured is None or doubt:
        measured = show.DASH
    elif cell.measured.startswith(_NOT_FOUND):
        measured = _NOT_FOUND  # what would have been its cost is no figure
    else:
        measured = f"{write(cell.measured)}{unit}"
    published = _RANGE.sub(r"\1 to \2", cell.published or show.DASH)
    return f"{name} {measured}{doubt} ({write(published)})"


def _number(text: str) -> str:
    """A number with three digits that count; what is no number stays as it is."""
    try:
        return f"{show.number(float(text)):,}"
    except ValueError:
        return show.cell(text)
