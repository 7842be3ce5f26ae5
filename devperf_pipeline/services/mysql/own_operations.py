"""
How is MySQL asked what a stack file describes?

The server itself says what a statement is: it prepares it alone, explains it, and runs it in a session that is
read-only. No statement that EXPLAIN takes gets out of that.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import encoders
from pymysql.cursors import SSCursor

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import OwnOperation, Service, Value
from devperf_pipeline.services.database.own_operations import (
    DEADLINE_S,
    LONGEST_PLAN,
    Learnt,
    Row,
    Trial,
    no_rows,
)
from devperf_pipeline.services.database.workload import Result
from devperf_pipeline.services.mysql import protocol
from devperf_pipeline.services.mysql.connection import (
    MysqlConnection,
    connect,
    explained,
    failure,
    number_of,
    prepare,
)
from devperf_pipeline.services.operation import Driver, Step, Wire
from devperf_pipeline.stack.own_operations import MOST_VALUES

NO_SUCH_VARIABLE = 1193

ADVICE = {
    1792: "Write writes = true where it is meant to change something.",
    1064: "It has to be one statement that EXPLAIN takes.",
    1969: f"Only what is answered within {DEADLINE_S:g} s is measured.",
    3024: f"Only what is answered within {DEADLINE_S:g} s is measured.",
}
"""What may be done about an error, by its code."""

TEXTS = {
    **encoders,
    **dict.fromkeys(
        (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG), int
    ),
}
"""Whole numbers as such, and every other value as the server writes it in text."""

LEXEMES = re.compile(
    r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`|--[ \t\n][^\n]*|\#[^\n]*|/\*.*?\*/|(?P<placeholder>\?)|(?P<percent>%)""",
    re.DOTALL,
)


def for_driver(text: str) -> tuple[str, int]:
    """A statement as pymysql takes it, which puts the arguments into the text itself, and how many it takes."""
    found = [0]

    def changed(match: re.Match[str]) -> str:
        if match["placeholder"]:
            found[0] += 1
            return "%s"
        return match[0].replace("%", "%%")

    return LEXEMES.sub(changed, text), found[0]


@dataclass(frozen=True, slots=True)
class MysqlTrial(Trial):
    """See `Trial`."""

    own: OwnOperation
    connection: MysqlConnection

    def rows_of(self, query: str) -> Sequence[tuple[Value, ...]]:
        with self.connection.driver.cursor(SSCursor) as cursor:
            cursor.execute(query)
            return list(cursor.fetchmany(MOST_VALUES))

    def explain(self, arguments: Sequence[Value]) -> str | None:
        text, known = for_driver(self.own.asked["sql"])
        columns, placeholders = protocol.shape(prepare(self.own.asked["sql"], self.connection))
        if placeholders != len(arguments):
            raise WrongAnswer(
                f"expected {placeholders} entries in 'parameters', one for each placeholder (?), found {len(arguments)}"
            )
        if placeholders != known:
            raise WrongAnswer(
                f"expected {placeholders} placeholders, as the server counts them, found {known}"
            )
        if not columns and not self.own.writes:
            raise no_rows()
        with self.connection.driver.cursor() as cursor:
            cursor.execute(f"EXPLAIN {text}", tuple(arguments))
            names = [column[0] for column in cursor.description]
            return outline([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])[:LONGEST_PLAN]

    def answer(self, arguments: Sequence[Value]) -> tuple[Sequence[str], Generator[Row, None, None], int]:
        cursor = self.connection.driver.cursor(SSCursor)
        changed = cursor.execute(for_driver(self.own.asked["sql"])[0], tuple(arguments))
        return [column[0] for column in cursor.description or ()], self._rows(cursor), changed

    def count(self, arguments: Sequence[Value]) -> int:
        with self.connection.driver.cursor() as cursor:
            return cursor.execute(for_driver(self.own.asked["sql"])[0], tuple(arguments))

    def _rows(self, cursor: Any) -> Generator[Row, None, None]:
        result = cursor._result  # noqa: SLF001 - the driver has no public way to end in the middle of rows
        try:
            for row in cursor.fetchall_unbuffered():
                yield [None if cell is None else str(cell) for cell in row]
        finally:
            if result is not None and result.unbuffered_active:
                result.unbuffered_active = False  # it would read the rest
                self.connection.close()


@contextmanager
def trying(
    service: Service,
    own: OwnOperation,
    writes: bool,
) -> Generator[MysqlTrial, None, None]:
    """A trial in a transaction that is rolled back, and read-only unless it `writes`. See `Trying`."""
    with closing(connect_own(service, writes=writes, conversions=TEXTS)) as connection, _told(service):
        try:
            connection.driver.begin()
            yield MysqlTrial(own, connection)
        finally:
            with suppress(pymysql.Error):
                connection.driver.rollback()


@contextmanager
def _told(service: Service) -> Generator[None, None, None]:
    """Turn what the server says of a statement into a `ServiceError`."""
    try:
        yield
    except pymysql.Error as error:
        code, said = error.args if len(error.args) == 2 else (0, str(error))
        raise WrongAnswer(f"{service.where} says: {said} ({code}). {ADVICE.get(code, '')}") from error


def outline(rows: Sequence[Mapping[str, Any]]) -> str:
    """A plan without its expressions, in which literals stand: "ref on orders using customer_id, ALL on items"."""
    said: list[str] = []
    for row in rows:
        on = f" on {row['table']}" if row["table"] else ""
        using = f" using {row['key']}" if row["key"] else ""
        said.append(f"{row['type'] or row['select_type']}{on}{using}")
    return ", ".join(said)


def connect_own(
    service: Service, *, writes: bool, conversions: dict[Any, Any] | None = None
) -> MysqlConnection:
    """A new connection for operations that may write, or may not, in their database; raises a `ServiceError`."""
    made = connect(service, deadline_s=DEADLINE_S + 1, conversions=conversions)
    with explained(service), made.driver.cursor() as cursor:
        if service.database:
            cursor.execute(f"USE `{service.database.replace('`', '``')}`")
        try:
            cursor.execute(f"SET SESSION max_statement_time = {DEADLINE_S:g}")
        except pymysql.OperationalError as error:  # MySQL calls it otherwise, and has it for SELECT
            if error.args[0] != NO_SUCH_VARIABLE:
                raise
            cursor.execute(f"SET SESSION max_execution_time = {int(DEADLINE_S * 1000)}")
        if not writes:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
    return made


def wire(learnt: Learnt, connection: MysqlConnection, user: int, size: int) -> Wire:
    """One user's calls of the engine."""
    number = number_of(learnt.text, connection)
    ends = protocol.Ends()
    made: dict[bytes, tuple[Step, ...]] = {}

    def call(arguments: Sequence[Value]) -> tuple[Step, ...]:
        data = protocol.execute_own(number, arguments)
        return made.setdefault(data, (Step(data, ends.complete),))

    contains = learnt.contains.encode()
    return Wire(
        sockets=(connection.socket,),
        calls=[call(arguments) for arguments in learnt.calls(user, size)],
        check=protocol.own_checker(learnt.right, learnt.least, learnt.most, contains),
        verify=protocol.own_verifier(learnt.wrong, learnt.columns, contains),
    )


def driver(learnt: Learnt, connection: MysqlConnection, user: int, size: int) -> Driver:
    """One user's calls through pymysql, which puts the arguments into the text of each call."""
    connection.give_back()
    text, _ = for_driver(learnt.text)
    calls = [tuple(arguments) for arguments in learnt.calls(user, size)]
    driver = connection.driver

    def run(number: int) -> Result:
        with driver.cursor() as cursor:
            cursor.execute(text, calls[number % len(calls)])
            return cursor.rowcount, list(cursor.fetchall()) if cursor.description else []

    return Driver(
        call=run, check=learnt.check, verify=learnt.verify, exceptions=(pymysql.Error,), failure=failure
    )
