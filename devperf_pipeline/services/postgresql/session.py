"""
How is PostgreSQL asked, directly and through PgBouncer?

psycopg connects, authenticates, seeds and verifies; the engine then uses the same socket with prepared bytes.
Directly, each statement is parsed once and bound by name. PgBouncer in transaction pooling hands every call to
another server connection, so there the unnamed statement is parsed again on each call.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from devperf_pipeline.model import Facts, Outcome, Service
from devperf_pipeline.services.operation import DEADLINE_S, FLOOR, OUR_NAME, Driver, Operation, Step, Wire
from devperf_pipeline.services.postgresql import pgbench_scripts as scripts
from devperf_pipeline.services.postgresql import protocol as wire_format
from devperf_pipeline.services.postgresql import replies
from devperf_pipeline.services.postgresql.connection import (
    BoundedConnection,
    PostgresConnection,
    connect,
    driver_to,
    explained,
    failure_of,
    name_of,
)
from devperf_pipeline.services.postgresql.schema import FILL, ITEMS, JOINED, MARKER, POOL_SETTINGS, SETTINGS
from devperf_pipeline.services.relational import preflight, rows
from devperf_pipeline.services.relational import workload as asked
from devperf_pipeline.services.relational.database_session import DatabaseSession
from devperf_pipeline.services.relational.rows import Arguments, Recipe, Result, Statement

RECIPES = (
    asked.INSERT,
    asked.SELECT_BY_KEY,
    asked.FULL_SCAN,
    asked.UPDATE,
    asked.DELETE,
    asked.TRANSACTION,
    asked.JOIN,
)

NO_POOLER = "no PgBouncer that can be seen"
"""What a server stands behind that was taken for a pooled one."""


class PostgresSession(DatabaseSession[PostgresConnection]):
    """One visit to a PostgreSQL server, directly or through PgBouncer. See `operation.Session`."""

    exceptions: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, service: Service) -> None:
        self._pooled = service.kind == "pgbouncer"
        self._schema = f"{OUR_NAME}_{service.name}"
        # The engine's bytes are encoded without a cursor: the quoted name goes straight into the text.
        self._space = '"' + self._schema.replace('"', '""') + '"'
        super().__init__(
            service,
            connect,
            named=f"schema {self._space}",
            mark="carry our comment",
            remedies="Rename it, drop it if it is a leftover, or give this service another name in the stack file.",
        )

    def facts(self) -> Facts:
        """Version and settings of the server, and those of PgBouncer if its console lets us in."""
        said, version = self._rows("SELECT version(), current_setting('server_version')")[0]
        number = version.split()[0]
        product = f"PostgreSQL {number}" if said.startswith("PostgreSQL ") else said.split(" on ")[0]
        settings: dict[str, str] = dict(
            self._rows(
                "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s) ORDER BY name",
                [list(SETTINGS)],
            )
        )
        settings["tls"] = "off"
        settings["statements"] = "unnamed, parsed on each call" if self._pooled else "named, parsed once"
        if self._pooled:
            pooler, pool = self._pooler()
            product = f"{product} behind {pooler}"
            settings |= {f"pgbouncer.{name}": value for name, value in pool.items()}
        return Facts(product=product, version=number, settings=settings)

    def objects(self) -> Sequence[str]:
        """Our schema, with all its tables."""
        return [f"schema {self._schema}"]

    def preflight(self) -> Sequence[str]:
        """What would spoil a measurement; see `operation.Session`."""
        [[told]] = self._rows(preflight.POSTGRESQL)
        facts = self.facts()
        elsewhere = facts.product.endswith(NO_POOLER)
        return [
            *preflight.of_postgresql(told),
            *self._taken(),
            *preflight.of_pool(facts.settings),
            *(["PgBouncer does not answer here: this is PostgreSQL itself, or another pooler"] * elsewhere),
        ]

    def operations(self) -> Sequence[Operation]:
        """The floor and the seven published operations."""
        return (
            Operation(name=FLOOR, title="empty statement", wire=_floor_wire, driver=_floor_driver),
            *(recipe.operation(wire=self._wire, driver=self._driver, fill=self._fill) for recipe in RECIPES),
        )

    def tool_scripts(self) -> Mapping[str, str]:
        """The published operations as scripts of pgbench, in our schema. See `operation.Session`."""
        return {name: text.replace("{space}", self._space) for name, text in scripts.SCRIPTS.items()}

    def _make(self) -> None:
        self._change(
            f"CREATE SCHEMA {self._space}", f"COMMENT ON SCHEMA {self._space} IS {sql.quote(MARKER)}"
        )
        for table in rows.ITEM_TABLES:
            self._change(ITEMS.format(table=f"{self._space}.{table}"))
        self._change(*JOINED.format(space=self._space, rows=rows.JOINED_ROWS).split(";"))
        for table in rows.ITEM_TABLES:
            self._fill(table, rows.ROWS)
        for table in ("items", "customers", "orders"):  # hint bits are set before the first reader has to
            self._run(f"VACUUM (ANALYZE) {self._space}.{table}")

    def _drop(self) -> None:
        self._change(f"DROP SCHEMA {self._space} CASCADE")

    def _found(self) -> bool | None:
        rows = self._rows(
            "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = %s",
            [self._schema],
        )
        return rows[0][0] == MARKER if rows else None

    def _live(self) -> BoundedConnection:
        """Our own connection, made anew if it broke or was left in the middle of something."""
        own = self._own.driver
        if own.closed or own.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._connect_anew()
        return self._own.driver

    def _rows(self, query: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        own = self._live()
        with explained(self._service):
            return own.execute(query.encode(), arguments or None, prepare=False).fetchall()

    def _run(self, statement: str) -> None:
        own = self._live()
        with explained(self._service):
            own.execute(statement.encode())

    def _change(self, *statements: str) -> None:
        """Run statements as one transaction, all or none, that waits for no one's locks longer than the deadline."""
        own = self._live()
        with explained(self._service), own.transaction():
            own.execute(f"SET LOCAL statement_timeout = {int(DEADLINE_S * 900)}".encode())
            for statement in statements:
                own.execute(statement.encode())

    def _fill(self, table: str, rows: int) -> None:
        name = f"{self._space}.{table}"
        self._change(
            f"TRUNCATE {name} RESTART IDENTITY", FILL.format(table=name, rows=rows), f"ANALYZE {name}"
        )

    def _pooler(self) -> tuple[str, dict[str, str]]:
        """
        PgBouncer with its version, and pool settings, from its console, as far as that lets us in; who has no such
        console is no PgBouncer.
        """
        try:
            with driver_to(self._service, "pgbouncer") as console:
                version = console.execute("SHOW VERSION").fetchall()[0][0]
                config = {row[0]: str(row[1]) for row in console.execute("SHOW CONFIG").fetchall()}
        except psycopg.Error as error:
            # PgBouncer knows its console and says that we are not allowed; whoever else asks the server for it.
            absent = 'database "pgbouncer" does not exist' in str(error)
            return NO_POOLER if absent else "PgBouncer of unknown version", {}
        return str(version), {name: config[name] for name in POOL_SETTINGS if name in config}

    def _text(self, statement: Statement) -> str:
        return statement.text.replace("{space}", self._space)

    def _wire(self, recipe: Recipe, connection: PostgresConnection, user: int, size: int) -> Wire:
        texts = [self._text(statement) for statement in recipe.statements]
        calls: list[tuple[Step, ...]] = []
        for arguments in recipe.every_call(user, size):
            data = [self._encoded(connection, *pair) for pair in zip(texts, arguments, strict=True)]
            if recipe.transaction:
                begin, commit = (self._encoded(connection, text, ()) for text in ("BEGIN", "COMMIT"))
                data = [begin, *data, commit]
            calls.append(tuple(Step(each, wire_format.complete) for each in data))
        return Wire(
            sockets=(connection.socket,),
            calls=calls,
            check=replies.checker(replies.tags_of(recipe.exchanges)),
            verify=replies.verifier(recipe.exchanges),
        )

    def _encoded(self, connection: PostgresConnection, text: str, arguments: Arguments) -> bytes:
        if self._pooled:
            return wire_format.parse("", text, arguments) + wire_format.execute("", arguments)
        return wire_format.execute(name_of(text, arguments, connection, self._where()), arguments)

    def _driver(self, recipe: Recipe, connection: PostgresConnection, user: int, size: int) -> Driver:
        connection.give_back()
        texts = [self._text(statement).encode() for statement in recipe.statements]
        calls = [list(zip(texts, call, strict=True)) for call in recipe.every_call(user, size)]
        driver, count, named = connection.driver, len(calls), not self._pooled

        def run(number: int) -> list[Result]:
            results: list[Result] = []
            with driver.cursor() as cursor:
                for text, arguments in calls[number % count]:
                    cursor.execute(text, arguments, prepare=named)
                    results.append((cursor.rowcount, cursor.fetchall() if cursor.description else []))
            return results

        def run_in_transaction(number: int) -> list[Result]:
            with driver.transaction():
                return run(number)

        return Driver(
            call=run_in_transaction if recipe.transaction else run,
            check=recipe.check,
            verify=recipe.wrong,
            exceptions=self.exceptions,
            failure=failure_of(driver),
            size=count if recipe.finite else None,
        )


def open_session(service: Service) -> PostgresSession:
    """
    Visit a service of kind `postgresql` or `pgbouncer`.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: it cannot be visited, and why.

    """
    return PostgresSession(service)


def _floor_wire(connection: PostgresConnection, _user: int, _size: int) -> Wire:
    return Wire(
        sockets=(connection.socket,),
        calls=((Step(wire_format.EMPTY_QUERY, wire_format.complete),),),
        check=replies.check_nothing,
        verify=replies.verify_nothing,
    )


def _floor_driver(connection: PostgresConnection, _user: int, _size: int) -> Driver:
    connection.give_back()
    driver = connection.driver

    def call(_number: int) -> int:
        with driver.cursor() as cursor:
            return cursor.execute("").rowcount

    return Driver(
        call=call,
        check=lambda count: Outcome.OK if count <= 0 else Outcome.WRONG,
        verify=lambda count: None if count <= 0 else f"the empty statement returned {count} rows",
        exceptions=(psycopg.Error,),
        failure=failure_of(driver),
    )
