"""What does a report show beside what others published, and which figures contradict each other?"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from devperf_pipeline.analyse.judgements import Contradiction
from devperf_pipeline.model import ROUTED
from devperf_pipeline.report import format as show
from devperf_pipeline.services import kind_of

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report
    from devperf_pipeline.report.rows import Cell

_NOT_FOUND = "not found"

_WORDS = {"slower than fastest": "slower than the fastest of these rows"}
"""Metrics whose names say too little."""

_RANGE = re.compile(r"^\[([\d.]+), ([\d.]+)\]$")


def published(report: "Report") -> Mapping[str, Any]:
    """
    Each published row with its figures as they were measured here and as they were published.

    No rows where nothing of what is published was measured but the machine.
    """
    cells = report.cells
    applying = [cell for cell in cells if cell.applies]
    filled = [cell for cell in applying if cell.filled]
    rows: dict[tuple[str, str, str], list[Cell]] = {}
    if filled and not _is_unpublished(report):
        for cell in cells:
            rows.setdefault((cell.table_name, cell.subject, cell.row_name), []).append(cell)
    return {
        "names": sorted({cell.published_id for cell in cells}),
        "filled": len(filled),
        "applying": len(applying),
        "share": len(filled) / len(applying) if applying else 0,
        "others": len(cells) - len(applying),
        "rows": [
            (table, _row_name(report, kept[0]), [_figure(cell) for cell in kept])
            for (table, _, _), kept in rows.items()
        ],
    }


def notes(report: "Report") -> Mapping[str, Any]:
    """What is not here, and why; where figures contradict each other: in this baseline first, then what one rule finds elsewhere."""
    ours: list[list[Contradiction]] = []
    theirs: dict[tuple[str, str], list[Contradiction]] = {}
    for one in report.contradictions:
        if one.source == report.run.baseline_id:
            ours.append([one])
        elif one.published and not _is_unpublished(report):
            theirs.setdefault((one.source, one.rule), []).append(one)
    absent = {
        "Ranking of the APIs": not report.rankings,
        "Memory per request": not report.memory,
        "Resource usage": not report.resources,
        "Load tests": not report.load_tests,
        "Reference tools": not report.tools,
    }
    return {
        "absent": [title for title, missing in absent.items() if missing],
        "consistent": not ours,
        "contradictions": [(alike[0], len(alike) - 1) for alike in (*ours, *theirs.values())],
        "partial": [part for part in report.parts if part.state == "measured" and part.reason],
    }


def _is_unpublished(report: "Report") -> bool:
    """Whether the stack is nothing but APIs of which nobody else has published anything."""
    return {part.kind for part in report.parts} == {ROUTED}


def _row_name(report: "Report", cell: "Cell") -> str:
    """What a published row is about: our name of the service that was measured for it, and the row's own."""
    if cell.row_name == cell.subject:
        return report.title_of(cell.subject.replace("-", "_")) if cell.subject.islower() else cell.row_name
    return f"{report.title_of(cell.service if kind_of(cell.service) else cell.subject)}: {cell.row_name}"


def _figure(cell: "Cell") -> Mapping[str, Any]:
    """The name, what was measured with its unit, and what was published; `doubt` stands for a figure of too few calls."""
    write = str if cell.metric == "version" else _number
    doubt = bool(cell.filled and cell.reason)
    measured = None if cell.measured is None or doubt else write(cell.measured)
    if measured and measured.startswith(_NOT_FOUND):
        measured = _NOT_FOUND  # what would have been its cost is no figure
    elif measured and cell.unit:
        measured = f"{measured} {cell.unit}"
    return {
        "name": _WORDS.get(cell.metric, cell.metric.replace("_", " ")),
        "measured": measured,
        "doubt": doubt,
        "published": None if cell.published is None else write(_RANGE.sub(r"\1 to \2", cell.published)),
    }


def _number(text: str) -> str:
    """A number with three digits that count; what is no number stays as it is."""
    try:
        return f"{show.number(float(text)):,}"
    except ValueError:
        return text
