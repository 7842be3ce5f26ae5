"""How much of a published baseline has been measured, and why not the rest?"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from devperf_pipeline.analyse.judgements import contradictions
from devperf_pipeline.errors import StoreError
from devperf_pipeline.report import format as show
from devperf_pipeline.report import terminal
from devperf_pipeline.report.rows import Cell
from devperf_pipeline.store.warehouse import connect, query

if TYPE_CHECKING:
    from devperf_pipeline.analyse.judgements import Contradiction
    from devperf_pipeline.stack.folders import Folders
    from devperf_pipeline.store.warehouse import Connection

LONGEST_REASON = 400

NAMED = 6
"""So many rows or metrics are named; of more, how many."""


def coverage(folders: "Folders", baseline_id: str | None = None) -> str:
    """
    Table by table how many cells a baseline (None: the newest) fills, each gap's reason, and what the lint found.

    Raises:
        StoreError: there is no such baseline, or the warehouse cannot be read.

    """
    con = connect(folders)
    try:
        chosen = _chosen(con, baseline_id)
        rows = cast("list[dict[str, Any]]", query(con, "report_coverage", baseline_id=chosen))
        return "\n".join(_page([Cell(**row) for row in rows], chosen, contradictions(con)))
    finally:
        con.close()


def _chosen(con: "Connection", baseline_id: str | None) -> str | None:
    found = query(con, "report_baseline", baseline_id=baseline_id, stack=None)
    if not found and baseline_id is not None:
        raise StoreError(
            f"No baseline is called {baseline_id!r}. The table `baselines` of the warehouse lists all there are."
        )
    return str(found[0]["baseline_id"]) if found else None


def _page(cells: Sequence[Cell], baseline_id: str | None, found: "Sequence[Contradiction]") -> list[str]:
    names = ", ".join(sorted({cell.published_id for cell in cells})) or "none"
    lines = [f"Published baseline {names} against baseline {baseline_id or '(none is measured yet)'}", ""]
    lines += [terminal.table(("table", "filled", "of", "does not apply"), _counts(cells)), ""]
    gaps = [cell for cell in cells if not cell.filled and cell.applies]
    if gaps:
        lines += ["Empty, and why:", *_grouped(gaps), ""]
    weak = [cell for cell in cells if cell.filled and cell.reason]
    if weak:
        lines += ["Filled, with a doubt:", *_grouped(weak), ""]
    other = [cell for cell in cells if not cell.applies]
    if other:
        lines += ["Does not apply here, and why:", *_grouped(other), ""]
    return [*lines, *_lint(found)]


def _counts(cells: Sequence[Cell]) -> list[tuple[str, int, int, int]]:
    tables = list(dict.fromkeys(cell.table_name for cell in cells))
    rows = [(table, *_count(cell for cell in cells if cell.table_name == table)) for table in tables]
    filled, applying, other = _count(cells)
    share = show.percent(filled / applying) if applying else show.DASH
    return [*rows, (f"all ({share} of those that apply)", filled, applying, other)]


def _count(cells: Iterable[Cell]) -> tuple[int, int, int]:
    """Filled cells of those that apply, all that apply, those that do not."""
    kept = list(cells)
    applying = [cell for cell in kept if cell.applies]
    return sum(cell.filled for cell in applying), len(applying), len(kept) - len(applying)


def _grouped(cells: Sequence[Cell]) -> list[str]:
    """Each reason once, and under it the cells that it is the reason of, table by table."""
    groups: dict[str, dict[str, list[Cell]]] = {}
    for cell in cells:
        tables = groups.setdefault(cell.reason or "no reason was stored", {})
        tables.setdefault(cell.table_name, []).append(cell)
    lines: list[str] = []
    for reason, tables in groups.items():
        lines.append(f"  {show.plain(reason, LONGEST_REASON)}")
        lines += [f"      {table}: {_named(those)}" for table, those in tables.items()]
    return lines


def _named(cells: Sequence[Cell]) -> str:
    """One row with its metrics, or how many cells of which rows."""
    rows: dict[str, list[str]] = {}
    for cell in cells:
        rows.setdefault(cell.row_name, []).append(cell.metric)
    if len(rows) == 1:
        ((name, metrics),) = rows.items()
        return f"{name} ({_some(metrics)})"
    return f"{len(cells)} cells of {_some(list(rows))}"


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    more = len(names) - NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:NAMED])} and {more} more"


def _lint(found: "Sequence[Contradiction]") -> list[str]:
    ours = [one for one in found if not one.published]
    theirs = len(found) - len(ours)
    counted = f"Lint: {theirs} contradictions in what is published, {len(ours)} in our own tables."
    return [
        f'{counted} Each as a sentence: devperf sql "from lint"',
        *(f"  {one.source} {one.place}: {show.plain(one.sentence, LONGEST_REASON)}" for one in ours[:NAMED]),
    ]
