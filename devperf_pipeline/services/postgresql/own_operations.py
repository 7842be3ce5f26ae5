"""
How is PostgreSQL asked what a stack file describes, directly and through PgBouncer?

The server itself says what a statement is: it takes one at a time, explains it, and runs it in a read-only transaction.
Directly, every transaction of the connection is one. PgBouncer hands every transaction to another server connection,
so there each call begins and ends its own, in what it sends at once.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import psycopg
from psycopg import generators
from psycopg.adapt import AdaptersMap
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.types.string import StrDumperUnknown, TextLoader

from devperf_pipeline.errors import ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import OwnOperation, Service, Value
from devperf_pipeline.services.database.own_operations import DEADLINE_S, LONGEST_PLAN, Learnt, Row, Trial
from devperf_pipeline.services.database.workload import Result
from devperf_pipeline.services.operation import Driver, Step, Wire
from devperf_pipeline.services.postgresql import protocol
from devperf_pipeline.services.postgresql.connection import (
    PostgresConnection,
    connect,
    driver_to,
    explained,
    failure_of,
    name_of,
)
from devperf_pipeline.stack.own_operations import MOST_VALUES

CHUNK_ROWS = 500
"""So many rows of a first answer are in memory at once."""

TEXTS = AdaptersMap()
"""Every value in text as the server writes it, of whatever type it is."""
TEXTS.register_loader(0, TextLoader)
TEXTS.register_dumper(str, StrDumperUnknown)

BEGIN = protocol.parse_own("", "BEGIN READ ONLY") + protocol.execute_own("", ())
READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
TIMEOUT = f"statement_timeout = {int(DEADLINE_S * 1000)}"

SESSION_SETTINGS = "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY name"
TRANSACTIONS = (
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "PREPARE TRANSACTION",
)

ADVICE = {
    "25006": "Write writes = true where it is meant to change something.",
    "42601": "It has to be one statement, and without writes = true one that EXPLAIN takes.",
    "57014": f"Only what is answered within {DEADLINE_S:g} s is measured.",
    "08P01": "Each placeholder ($1, $2, …) has one entry in 'parameters'.",
}
"""What may be done about an error, by its code."""


def text_of(value: Value) -> str | None:
    """A value as the server reads it, of whatever type it takes it for."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class PostgresTrial(Trial):
    """See `Trial`."""

    own: OwnOperation
    cursor: "psycopg.RawCursor[tuple[Any, ...]]"

    def rows_of(self, query: str) -> Sequence[tuple[Value, ...]]:
        return list(islice(self.cursor.stream(query.encode(), size=CHUNK_ROWS), MOST_VALUES))

    def explain(self, arguments: Sequence[Value]) -> str | None:
        text = b"EXPLAIN (FORMAT JSON, COSTS OFF) " + self._text
        try:
            with self.cursor.connection.transaction():
                found = list(self.cursor.stream(text, _texts(arguments)))
        except psycopg.errors.SyntaxError:
            if self.own.writes:
                return None
            raise
        return outline(json.loads(found[0][0])[0]["Plan"])[:LONGEST_PLAN]

    def answer(self, arguments: Sequence[Value]) -> tuple[Sequence[str], Generator[Row, None, None], int]:
        if not self.own.writes:
            rows = self.cursor.stream(self._text, _texts(arguments), size=CHUNK_ROWS)
            for first in rows:
                columns = [column.name for column in self.cursor.description or ()]
                return columns, _from(first, rows), 0
        result = self._result(arguments)
        columns = [str(result.fname(column) or b"", "utf8") for column in range(result.nfields)]
        return columns, _rows(result), result.command_tuples or 0

    def count(self, arguments: Sequence[Value]) -> int:
        return self._result(arguments).ntuples

    def _result(self, arguments: Sequence[Value]) -> PGresult:
        """The result of one statement; `execute` would let several through where they have no arguments."""
        driver = self.cursor.connection
        given = [None if each is None else each.encode() for each in _texts(arguments)]
        driver.pgconn.send_query_params(self._text, given)
        [result, *_] = driver.wait(generators.execute(driver.pgconn))
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
        tag = (result.command_status or b"").decode()
        if tag in TRANSACTIONS or result.status not in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
            raise WrongAnswer(
                f"expected a statement that returns or changes rows, found {tag or 'COPY or nothing'}"
            )
        return result

    def settings(self) -> list[tuple[Any, ...]]:
        """What is set for this session alone."""
        with self.cursor.connection.cursor() as cursor:
            return cursor.execute(SESSION_SETTINGS).fetchall()

    @property
    def _text(self) -> bytes:
        return self.own.asked["sql"].encode()


@contextmanager
def trying(service: Service, own: OwnOperation, writes: bool) -> Generator[PostgresTrial, None, None]:
    """A trial in a transaction that is rolled back, and read-only unless it `writes`. See `Trying`."""
    with explained(service):
        driver = driver_to(service, service.database, TEXTS)
    driver.deadline_s = DEADLINE_S + 1  # the server's comes first
    with closing(driver), _told(service):
        try:
            driver.execute("BEGIN" if writes else "BEGIN READ ONLY")
            driver.execute(f"SET LOCAL {TIMEOUT}".encode())
            with psycopg.RawCursor(driver) as cursor:
                trial = PostgresTrial(own, cursor)
                before = trial.settings()
                yield trial
                if not writes and trial.settings() != before:
                    # Through PgBouncer it would be set for others, and it may be that nothing is to be written.
                    raise WrongAnswer(
                        "expected a statement that only reads, found one that changes settings of its session"
                    )
        finally:
            with suppress(psycopg.Error):
                driver.execute("ROLLBACK")


@contextmanager
def _told(service: Service) -> Generator[None, None, None]:
    """Turn what the server says of a statement into a `ServiceError`."""
    try:
        yield
    except psycopg.Error as error:
        code = error.sqlstate or ""
        said = error.diag.message_primary or str(error)
        if not code or code.startswith("57P"):
            raise ServiceUnreachable(f"{service.where} did not answer: {said}.") from error
        hint = f" {error.diag.message_hint}" if error.diag.message_hint else ""
        raise WrongAnswer(f"{service.where} says: {said} ({code}).{hint} {ADVICE.get(code, '')}") from error


def _from(first: Row, rows: Iterator[Row]) -> Generator[Row, None, None]:
    yield first
    yield from rows


def _rows(result: PGresult) -> Generator[Row, None, None]:
    for row in range(result.ntuples):
        cells = [result.get_value(row, column) for column in range(result.nfields)]
        yield [None if cell is None else cell.decode(errors="replace") for cell in cells]


def outline(plan: Mapping[str, Any]) -> str:
    """A plan without its expressions, in which literals stand: "Limit > Sort > Seq Scan on orders"."""
    said = [plan["Node Type"]]
    if "Index Name" in plan:
        said.append(f"using {plan['Index Name']}")
    if "Relation Name" in plan:
        said.append(f"on {plan['Relation Name']}")
    below = [outline(each) for each in plan.get("Plans", ())]
    here = " ".join(said)
    return f"{here} > {below[0]}" if len(below) == 1 else f"{here} ({', '.join(below)})" if below else here


def connect_own(service: Service, *, writes: bool) -> PostgresConnection:
    """A new connection for operations that may write, or may not; raises a `ServiceError`."""
    made = connect(service)
    made.driver.deadline_s = DEADLINE_S
    if service.kind == "pgbouncer":
        # What is set on a connection would be set for whoever gets the server's next.
        made.driver.read_only = not writes
        return made
    with explained(service):
        made.driver.execute(f"SET {TIMEOUT}".encode())
        if not writes:
            made.driver.execute(READ_ONLY)
    return made


def wire(learnt: Learnt, connection: PostgresConnection, user: int, size: int, *, pooled: bool) -> Wire:
    """One user's calls of the engine: directly a statement is parsed once, through PgBouncer on each call."""
    name, before, after = "", b"", protocol.SYNC
    if pooled:
        before = protocol.parse_own("", learnt.text)
    else:
        name = name_of(learnt.text, connection, lambda name: protocol.parse_own(name, learnt.text))
    if pooled and not learnt.own.writes:
        before = BEGIN + before
        after += protocol.COMMIT

    @cache
    def call(arguments: tuple[str | None, ...]) -> tuple[Step, ...]:
        return (Step(before + protocol.execute_own(name, arguments) + after, protocol.complete_own),)

    contains = learnt.contains.encode()
    return Wire(
        sockets=(connection.socket,),
        calls=[call(_texts(arguments)) for arguments in learnt.calls(user, size)],
        check=protocol.own_checker(learnt.right, contains),
        verify=protocol.own_verifier(learnt.wrong, learnt.columns, contains),
    )


def driver(learnt: Learnt, connection: PostgresConnection, user: int, size: int, *, pooled: bool) -> Driver:
    """One user's calls through psycopg; through PgBouncer each read-only transaction is three exchanges."""
    connection.give_back()
    text, driver = learnt.text.encode(), connection.driver
    calls = [_texts(arguments) for arguments in learnt.calls(user, size)]

    def run(number: int) -> Result:
        with psycopg.RawCursor(driver) as cursor:
            cursor.execute(text, calls[number % len(calls)])
            return cursor.rowcount, cursor.fetchall() if cursor.description else []

    def run_in_transaction(number: int) -> Result:
        with driver.transaction():
            return run(number)

    return Driver(
        call=run_in_transaction if pooled and not learnt.own.writes else run,
        check=learnt.check,
        verify=learnt.verify,
        exceptions=(psycopg.Error,),
        failure=failure_of(driver),
    )


def _texts(arguments: Sequence[Value]) -> tuple[str | None, ...]:
    return tuple(map(text_of, arguments))
