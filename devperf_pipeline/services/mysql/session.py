"""
How is MySQL asked, or what speaks its protocol in its place?

pymysql connects, authenticates, seeds and verifies; the engine then uses the same socket with prepared bytes:
each statement is prepared once, a call executes it by its number.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pymysql

from devperf_pipeline.model import Facts, Outcome, Service
from devperf_pipeline.services.mysql import protocol as wire_format
from devperf_pipeline.services.mysql import replies
from devperf_pipeline.services.mysql.connection import MysqlConnection, connect, explained, failure, number_of
from devperf_pipeline.services.mysql.schema import ITEMS, MARKER, SETTINGS, fill
from devperf_pipeline.services.operation import FLOOR, OUR_NAME, Driver, Operation, Step, Wire
from devperf_pipeline.services.relational import preflight, rows
from devperf_pipeline.services.relational import workload as asked
from devperf_pipeline.services.relational.database_session import DatabaseSession
from devperf_pipeline.services.relational.rows import Recipe, Result, Statement

RECIPES = (
    asked.INSERT,
    asked.SELECT_BY_KEY,
    asked.FULL_SCAN,
    asked.UPDATE,
    asked.DELETE,
    asked.TRANSACTION,
)

BEGIN, COMMIT = (wire_format.command(wire_format.QUERY, text) for text in (b"BEGIN", b"COMMIT"))


class MysqlSession(DatabaseSession[MysqlConnection]):
    """One visit to a server that speaks MySQL's protocol. See `operation.Session`."""

    exceptions: tuple[type[Exception], ...] = (pymysql.Error,)

    def __init__(self, service: Service) -> None:
        super().__init__(service, connect, named=f"database {OUR_NAME}", mark=f"hold our table {MARKER}")

    def facts(self) -> Facts:
        """What truly runs there: MariaDB answers in the place of MySQL, and is named so."""
        said, comment = self._rows("SELECT VERSION(), @@version_comment")[0]
        version = said.split("-")[0]
        if "mariadb" in said.lower():
            product = f"MariaDB {'.'.join(version.split('.')[:2])} (MySQL protocol)"
        elif "percona" in comment.lower():
            product = f"Percona Server {version} (MySQL protocol)"
        else:
            product = f"MySQL {version}"
        names = ", ".join(f"'{name}'" for name in SETTINGS)
        settings = dict(self._rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"))
        return Facts(
            product=product,
            version=version,
            settings=settings | {"tls": "off", "statements": "prepared once"},
        )

    def preflight(self) -> Sequence[str]:
        """What would spoil a measurement; see `operation.Session`."""
        connected = int(self._rows("SHOW GLOBAL STATUS LIKE 'Threads_connected'")[0][1])
        grants = [row[0] for row in self._rows("SHOW GRANTS")]
        variables = dict(self._rows(preflight.MYSQL))
        return [*preflight.of_mysql(variables, connected, grants), *self._taken()]

    def operations(self) -> Sequence[Operation]:
        """The floor and the six published operations."""
        return (
            Operation(name=FLOOR, title="COM_PING", wire=_floor_wire, driver=_floor_driver),
            *(recipe.operation(wire=self._wire, driver=_driver, fill=self._fill) for recipe in RECIPES),
        )

    def tool_scripts(self) -> Mapping[str, str]:
        """The statement that sysbench asks for, in our database. See `operation.Session`."""
        [statement] = asked.SELECT_BY_KEY.statements
        return {asked.SELECT_BY_KEY.name: _text(statement).replace("%s", "?")}

    def _make(self) -> None:
        self._run(
            f"CREATE DATABASE {OUR_NAME}",
            f"CREATE TABLE {OUR_NAME}.{MARKER} (nothing INT)",
            *(ITEMS.format(table=f"{OUR_NAME}.{table}") for table in rows.ITEM_TABLES),
        )
        for table in rows.ITEM_TABLES:
            self._fill(table, rows.ROWS)

    def _drop(self) -> None:
        self._run(f"DROP DATABASE {OUR_NAME}")

    def _found(self) -> bool | None:
        if not self._rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [OUR_NAME]):
            return None
        marker = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
        return bool(self._rows(marker, [OUR_NAME, MARKER]))

    def _rows(self, query: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if not self._own.driver.open:
            self._connect_anew()
        with explained(self._service), self._own.driver.cursor() as cursor:
            cursor.execute(query, arguments or None)
            return list(cursor.fetchall())

    def _run(self, *statements: str) -> None:
        for statement in statements:
            self._rows(statement)

    def _fill(self, table: str, rows: int) -> None:
        name = f"{OUR_NAME}.{table}"
        self._run(f"TRUNCATE TABLE {name}")
        if rows:
            self._run(fill(name, rows))
        self._run(f"ANALYZE TABLE {name}")

    def _wire(self, recipe: Recipe, connection: MysqlConnection, user: int, size: int) -> Wire:
        numbers = [number_of(_text(each), connection, self._where()) for each in recipe.statements]
        calls: list[tuple[Step, ...]] = []
        for arguments in recipe.every_call(user, size):
            data = [wire_format.execute(*pair) for pair in zip(numbers, arguments, strict=True)]
            if recipe.transaction:
                data = [BEGIN, *data, COMMIT]
            calls.append(tuple(Step(each, wire_format.complete) for each in data))
        return Wire(
            sockets=(connection.socket,),
            calls=calls,
            check=replies.checker(recipe.exchanges),
            verify=replies.verifier(recipe.exchanges),
        )


def open_session(service: Service) -> MysqlSession:
    """
    Visit a service of kind `mysql`.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: it cannot be visited, and why.

    """
    return MysqlSession(service)


def _text(statement: Statement) -> str:
    return statement.text.replace("{space}", OUR_NAME)


def _driver(recipe: Recipe, connection: MysqlConnection, user: int, size: int) -> Driver:
    """One user's calls through pymysql, which quotes the arguments into the text of each call."""
    connection.give_back()
    texts = [_text(statement) for statement in recipe.statements]
    calls = [list(zip(texts, call, strict=True)) for call in recipe.every_call(user, size)]
    driver, count = connection.driver, len(calls)

    def run(number: int) -> list[Result]:
        results: list[Result] = []
        with driver.cursor() as cursor:
            for text, arguments in calls[number % count]:
                cursor.execute(text, arguments)
                results.append((cursor.rowcount, list(cursor.fetchall()) if cursor.description else []))
        return results

    def run_in_transaction(number: int) -> list[Result]:
        driver.begin()
        try:
            results = run(number)
            driver.commit()
        except pymysql.Error:
            with suppress(pymysql.Error):
                driver.rollback()
            raise
        return results

    return Driver(
        call=run_in_transaction if recipe.transaction else run,
        check=recipe.check,
        verify=recipe.wrong,
        exceptions=(pymysql.Error,),
        failure=failure,
        size=count if recipe.finite else None,
    )


def _floor_wire(connection: MysqlConnection, _user: int, _size: int) -> Wire:
    ping = wire_format.command(wire_format.PING)
    return Wire(
        sockets=(connection.socket,),
        calls=((Step(ping, wire_format.complete),),),
        check=replies.checker([None]),
        verify=replies.verifier([None]),
    )


def _floor_driver(connection: MysqlConnection, _user: int, _size: int) -> Driver:
    connection.give_back()
    driver = connection.driver

    def call(_number: int) -> bool:
        driver.ping(reconnect=False)
        return driver.open

    return Driver(
        call=call,
        check=lambda open_still: Outcome.OK if open_still else Outcome.WRONG,
        verify=lambda open_still: None if open_still else "the connection is not open after a PING",
        exceptions=(pymysql.Error,),
        failure=failure,
    )
