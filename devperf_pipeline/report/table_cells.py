"""What stands in the cells of a report's tables?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devperf_pipeline.report import format as show
from devperf_pipeline.report.markdown import sentence
from devperf_pipeline.report.rows import Part, Row, shown
from devperf_pipeline.report.section import Table
from devperf_pipeline.services import role_of

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report

_CONDITIONS = ("users", "errors", "instrument", "floor", "age")
"""Columns that leave a table where all rows say the same."""

_WORTH_IT = 3
"""With fewer rows a sentence would be longer than the columns."""


@dataclass(frozen=True, slots=True)
class Readings:
    """
    A service's tables, and a note for each reading that does not count.

    `driver` has what the driver measured beside the engine, None where the first table already says all.
    What is the same in all rows of a table stands once, in its `…_alike`, as the head of a column and its cell.
    """

    engine: Table | None
    engine_alike: Mapping[str, str]
    driver: Table | None
    driver_alike: Mapping[str, str]
    notes: Sequence[str]


def end_ns(report: "Report") -> int:
    """The moment that ages count from: the end of the baseline, or its last measurement where it was cut short."""
    run = report.run
    new = [row.measured_at_ns for part in report.parts for row in part.new]
    return run.ended_at_ns or max([run.began_at_ns, *new])


def readings(part: Part, now_ns: int) -> Readings:
    """Everything measured of one service, valid or not, with ages counted back from `now_ns`."""
    lines = shown(part.rows)
    beside = [(driver, None) for _, driver in lines if driver]
    engine, engine_alike = _alike(_table(part.service, lines, now_ns)) if lines else (None, {})
    driver, driver_alike = _alike(_table(part.service, beside, now_ns)) if beside else (None, {})
    return Readings(
        engine=engine,
        engine_alike=engine_alike,
        driver=driver,
        driver_alike=driver_alike,
        notes=[sentence("invalid", row) for row in part.rows if not row.valid],
    )


def records(rows: Sequence[Row]) -> list[dict[str, str | int | float | None]]:
    """The same lines for Dagster's own table: few columns, numbers that sort, milliseconds; None where there is no number."""

    def ms(time_ns: int | None) -> float | None:
        return None if time_ns is None else float(show.number(time_ns / 1_000_000))

    return [
        {
            "operation": show.plain(row.title, 60),
            "users": row.users,
            "calls/s": show.number(row.throughput_per_s or 0),
            "p50 ms": ms(row.p50_ns),
            "p95 ms": ms(row.trusted_p95_ns),
            "p99 ms": ms(row.trusted_p99_ns),
            "max ms": ms(row.max_ns),
            "n": row.n,
            "errors": row.errors,
            "instrument": row.instrument,
            "driver p50 ms": ms(driver.p50_ns if driver else None),
            "valid": "yes" if row.valid else show.plain(row.invalid_reason or "no", 120),
        }
        for row, driver in shown(rows)
    ]


def _table(service: str, lines: Sequence[tuple[Row, Row | None]], now_ns: int) -> Table:
    """One line an operation and number of users; a table of an API starts with its percentiles, as they are published."""
    unit = show.unit_for(row.p50_ns for row, _ in lines)

    def time(pick: Callable[[Row], int | None]) -> Callable[[Row, Row | None], str]:
        return lambda row, _: show.in_unit(pick(row), unit)

    def p95(row: Row, _: Row | None) -> str:
        if row.trusted_p95_ns is None or row.p95_low_ns is None or row.p95_high_ns is None:
            return show.in_unit(row.trusted_p95_ns, unit)
        bounds = f"{show.in_unit(row.p95_low_ns, unit)} to {show.in_unit(row.p95_high_ns, unit)}"
        return f"{show.in_unit(row.p95_ns, unit)} ({bounds}){'†' if row.p95_bounds == 'samples' else ''}"

    def driver_p50(row: Row, driver: Row | None) -> str:
        if driver is None:
            return show.DASH
        text = show.in_unit(driver.p50_ns, unit)
        return text if driver.baseline_id == row.baseline_id else f"{text} ({_age(driver, now_ns)})"

    api = role_of(service) == "api"
    name: dict[str, Callable[[Row, Row | None], str]] = {
        "endpoint" if api else "operation": lambda row, _: show.cell(row.title),
        "users": lambda row, _: show.count(row.users),
    }
    rate: dict[str, Callable[[Row, Row | None], str]] = {
        "throughput": lambda row, _: show.throughput(row.throughput_per_s),
        f"mean ({unit})": time(lambda row: row.mean_ns),
    }
    latency: dict[str, Callable[[Row, Row | None], str]] = {
        f"p50 ({unit})": time(lambda row: row.p50_ns),
        f"p95 ({unit}, bounds)": p95,
        f"p99 ({unit})": time(lambda row: row.trusted_p99_ns),
        "throttled": lambda row, _: show.DASH if row.throttled is None else show.percent(row.throttled),
        f"p99.9 ({unit})": time(lambda row: row.trusted_p999_ns),
        f"max ({unit})": time(lambda row: row.max_ns),
    }
    origin: dict[str, Callable[[Row, Row | None], str]] = {
        "n": lambda row, _: show.count(row.n),
        "errors": _errors,
        "instrument": lambda row, _: row.instrument,
        f"floor ({unit})": time(lambda row: row.floor_p50_ns),
        f"driver p50 ({unit})": driver_p50,
        "age": lambda row, _: _age(row, now_ns),
    }
    if not any(row.throttled for row, _ in lines):
        del latency["throttled"]
    if all(driver is None for _, driver in lines):
        del origin[f"driver p50 ({unit})"]
    columns = name | (latency | rate if api else rate | latency) | origin
    words = {"endpoint", "operation", "instrument"}
    return Table(
        head=list(columns),
        rule=[":--" if head in words else "--:" for head in columns],
        rows=[[_struck(row, write(row, driver)) for write in columns.values()] for row, driver in lines],
    )


def _alike(table: Table) -> tuple[Table, Mapping[str, str]]:
    """The table without columns that say the same in every row, and what these say: narrow tables are read."""
    if len(table.rows) < _WORTH_IT:
        return table, {}
    same = {
        place: table.rows[0][place]
        for place, head in enumerate(table.head)
        if head.split(" ")[0] in _CONDITIONS and len({row[place] for row in table.rows}) == 1
    }

    def narrow(cells: Sequence[str]) -> list[str]:
        return [cell for place, cell in enumerate(cells) if place not in same]

    kept = Table(narrow(table.head), narrow(table.rule), [narrow(row) for row in table.rows])
    return kept, {table.head[place]: cell for place, cell in same.items()}


def _struck(row: Row, text: str) -> str:
    """A reading that does not count is struck through, and stays where it is."""
    return text if row.valid or text == show.DASH else f"~~{text}~~"


def _errors(row: Row, _: Row | None) -> str:
    return f"{row.errors:,} ({show.percent(row.errors / row.n)})" if row.errors and row.n else "0"


def _age(row: Row, now_ns: int) -> str:
    return "new" if row.is_new else show.age(now_ns - row.measured_at_ns)
