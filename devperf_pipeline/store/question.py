"""What does the warehouse answer to a question that a person wrote?"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from devperf_pipeline.errors import StoreError
from devperf_pipeline.store.warehouse import Connection

BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """The names of the columns, and the rows, fetched as they are asked for."""

    columns: Sequence[str]
    rows: Iterator[Sequence[Any]]


def ask(con: Connection, sql: str) -> Answer:
    """
    The answer of the last statement in `sql`.

    Raises:
        StoreError: there is no statement, or DuckDB refuses it; the message is DuckDB's own.

    """
    with _explained():
        if not con.extract_statements(sql):
            raise StoreError('A question is one statement of SQL, such as "from current"; found none.')
        result = con.execute(sql)
    if result.description is None:
        raise StoreError("A question has an answer of rows; that statement has none.")
    return Answer([column[0] for column in result.description], _rows(result))


def _rows(result: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    while True:
        with _explained():
            batch = result.fetchmany(BATCH)
        if not batch:
            return
        yield from batch


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise StoreError(
            f"DuckDB cannot answer that: {str(error).strip()}\n"
            'The tables, their columns and worked questions are in docs/data.md; devperf sql "show tables" lists them.'
        ) from error
