"""
What does a report say of what others published of the same?
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Section, Table, columns

if TYPE_CHECKING:
    from devperf_pipeline.analyse.lint import Contradiction
    from devperf_pipeline.report.coverage import Cell
    from devperf_pipeline.report.view import Picture

WEAK = "‡"
"""Stands after a reading that has a doubt, which `coverage` says in words."""


def unheard_of(view: "Picture") -> bool:
    """
    Whether the stack is nothing but an API of which nobody else has published anything.
    """
    return {"api"} == {part.service for part in view.parts}


def publication(view: "Picture", cells: "Sequence[Cell]") -> Section | None:
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
        f"{WEAK} marks a doubt; the view `coverage` says which, and why a figure is missing ({show.DASH})."
    )
    lines = [
        [
            show.cell(table),
            show.cell(row_name if row_name == subject else f"{view.title_of(subject)}: {row_name}"),
            " · ".join(_figure(cell) for cell in kept),
        ]
        for (table, subject, row_name), kept in rows.items()
    ]
    head, rule = columns("published table", "row", "measured (published)", words=3)
    return Section("Beside the published baseline", [about, Table(head, rule, lines)])


def contradicted(baseline_id: str, found: "Sequence[Contradiction]") -> list[str]:
    """
    Notes on figures that contradict each other: in this baseline's tables, then in what others published.
    """
    ours = [one for one in found if one.source == baseline_id]
    notes = [_contradiction(one) for one in ours] or [
        "Arithmetic (Little's law, order of percentiles, sums, rates): nothing in this baseline contradicts itself."
    ]
    return [*notes, *(_contradiction(one) for one in found if one.published)]


def _contradiction(one: "Contradiction") -> str:
    where = "" if not one.published else f"{show.cell(one.source)}, "
    return f"Contradiction: {where}{show.cell(one.place)}: {show.prose(one.sentence)}"


def _figure(cell: "Cell") -> str:
    name = show.cell(cell.metric.replace("_", " "))
    unit = f" {show.cell(cell.unit)}" if cell.unit else ""
    write = show.cell if cell.metric == "version" else _number
    measured = show.DASH if cell.measured is None else f"{write(cell.measured)}{unit}"
    doubt = WEAK if cell.filled and cell.reason else ""
    return f"{name} {measured}{doubt} ({write(cell.published or show.DASH)})"


def _number(text: str) -> str:
    """
    A number with three digits that count; what is no number stays as it is.
    """
    try:
        return f"{show.number(float(text)):,}"
    except ValueError:
        return show.cell(text)
