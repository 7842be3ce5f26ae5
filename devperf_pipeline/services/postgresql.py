"""
How is PostgreSQL asked, directly and through PgBouncer?

psycopg connects, authenticates, seeds and verifies; the engine then uses the same socket with prepared bytes.
Directly, each statement is parsed once and bound by name. PgBouncer in transaction pooling hands every call to
another server connection, so there the unnamed statement is parsed again on each call.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from devperf_pipeline.errors import ServiceError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Facts, Outcome, Service
from devperf_pipeline.services import postgresql_replies as replies
from devperf_pipeline.services import postgresql_scripts as scripts
from devperf_pipeline.services import postgresql_wire as wire_format
from devperf_pipeline.services import relational, relational_spoilers
from devperf_pipeline.services import relational_operations as asked
from devperf_pipeline.services.hearing import greeting_in_http
from devperf_pipeline.services.operation import DEADLINE_S, FLOOR, OUR_NAME, Driver, Operation, Step, Wire
from devperf_pipeline.services.postgresql_schema import FILL, ITEMS, JOINED, MARKER, POOL_SETTINGS, SETTINGS
from devperf_pipeline.services.relational import Recipe, Result, Statement

RECIPES = (
    asked.INSERT,
    asked.SELECT_BY_KEY,
    asked.FULL_SCAN,
    asked.UPDATE,
    asked.DELETE,
    asked.TRANSACTION,
    asked.JOIN,
)


class _Bounded(psycopg.Connection[tuple[Any, ...]]):
    """
    A connection on which every wait ends; psycopg alone would wait for a silent server for ever.
    """

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = DEADLINE_S) -> Any:
        return super().wait(gen, interval, timeout)


@dataclass(slots=True, kw_only=True)
class PostgresConnection:
    """
    One user's connection: the driver's, and a second handle on its socket for the engine.

    `names` are the statements that were parsed on it, by text.
    """

    driver: _Bounded
    socket: socket.socket
    names: dict[str, str] = field(default_factory=dict[str, str])

    def close(self) -> None:
        """
        End it; never raises.
        """
        self.socket.close()
        with suppress(psycopg.Error):
            self.driver.close()


class PostgresSession:
    """
    One visit to a PostgreSQL server, directly or through PgBouncer. See `operation.Session`.
    """

    exceptions: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pooled = service.kind == "pgbouncer"
        self._schema = f"{OUR_NAME}_{service.name}"
        # The engine's bytes are encoded without a cursor: the quoted name goes straight into the text.
        self._space = '"' + self._schema.replace('"', '""') + '"'
        self._own = _connect(service)

    def facts(self) -> Facts:
        """
        Version and settings of the server, and those of PgBouncer if its console lets us in.
        """
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
            product = f"{product} behind PgBouncer {pooler}"
            settings |= {f"pgbouncer.{name}": value for name, value in pool.items()}
        return Facts(product=product, version=number, settings=settings)

    def objects(self) -> Sequence[str]:
        """
        Our schema, with all its tables.
        """
        return [f"schema {self._schema}"]

    def assume(self) -> None:
        """
        The operations are known without having prepared anything.
        """

    def spoilers(self) -> Sequence[str]:
        """
        What would spoil a measurement; see `operation.Forewarning`.
        """
        [[told]] = self._rows(relational_spoilers.POSTGRESQL)
        found = list(relational_spoilers.of_postgresql(told))
        if self._found() not in {None, MARKER}:
            found.append(f"a schema {self._space} exists that this project did not make: rename it")
        return [*found, *relational_spoilers.of_pool(self.facts().settings)]

    def prepare(self) -> None:
        """
        Make our schema anew, with every table seeded.

        Raises:
            ServiceRefused: the schema exists and is not ours, or we may not create it.

        """
        if self._found() not in {None, MARKER}:
            raise ServiceRefused(
                f"{self._where()}: schema {self._space} should not exist, or be one that an earlier baseline left, "
                f"but it does not carry our comment. Nothing was touched. Rename it, drop it if it is a leftover, "
                f"or give this service another name in the stack file."
            )
        self.clean()
        self._change(
            f"CREATE SCHEMA {self._space}", f"COMMENT ON SCHEMA {self._space} IS {sql.quote(MARKER)}"
        )
        for table in relational.ITEM_TABLES:
            self._change(ITEMS.format(table=f"{self._space}.{table}"))
        self._change(*JOINED.format(space=self._space, rows=relational.JOINED_ROWS).split(";"))
        for table in relational.ITEM_TABLES:
            self._fill(table, relational.ROWS)
        for table in ("items", "customers", "orders"):  # hint bits are set before the first reader has to
            self._run(f"VACUUM (ANALYZE) {self._space}.{table}")

    def operations(self) -> Sequence[Operation]:
        """
        The floor and the seven published operations.
        """
        return (
            Operation(name=FLOOR, title="empty statement", wire=_floor_wire, driver=_floor_driver),
            *(recipe.operation(wire=self._wire, driver=self._driver, fill=self._fill) for recipe in RECIPES),
        )

    def tool_scripts(self) -> Mapping[str, str]:
        """
        The published operations as scripts of pgbench, in our schema. See `operation.ToolTarget`.
        """
        return {name: text.replace("{space}", self._space) for name, text in scripts.SCRIPTS.items()}

    def connect(self) -> PostgresConnection:
        """
        A new connection whose way to the database was tried.
        """
        return _connect(self._service)

    def renew(self, service: Service) -> None:
        """
        Go on with other credentials.
        """
        own = _connect(service)
        self._own.close()
        self._service, self._own = service, own

    def clean(self) -> None:
        """
        Drop our schema, and nothing that only has its name.
        """
        if self._found() == MARKER:
            self._change(f"DROP SCHEMA {self._space} CASCADE")

    def close(self) -> None:
        """
        End the visit; never raises.
        """
        self._own.close()

    def _where(self) -> str:
        return f"{self._service.name} at {self._service.address}"

    def _live(self) -> _Bounded:
        """
        Our own connection, made anew if it broke or was left in the middle of something.
        """
        own = self._own.driver
        if own.closed or own.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._own.close()
            self._own = _connect(self._service)
        return self._own.driver

    def _rows(self, query: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        own = self._live()
        try:
            return own.execute(query.encode(), arguments or None, prepare=False).fetchall()
        except psycopg.Error as error:
            raise _explained(self._service, error) from error

    def _run(self, statement: str) -> None:
        own = self._live()
        try:
            own.execute(statement.encode())
        except psycopg.Error as error:
            raise _explained(self._service, error) from error

    def _change(self, *statements: str) -> None:
        """
        Run statements as one transaction, all or none, that waits for no one's locks longer than the deadline.
        """
        own = self._live()
        try:
            with own.transaction():
                own.execute(f"SET LOCAL statement_timeout = {int(DEADLINE_S * 900)}".encode())
                for statement in statements:
                    own.execute(statement.encode())
        except psycopg.Error as error:
            raise _explained(self._service, error) from error

    def _found(self) -> str | None:
        """
        The comment of the schema that has our name ("" if it has none), or None if there is no such schema.
        """
        rows = self._rows(
            "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = %s",
            [self._schema],
        )
        return rows[0][0] if rows else None

    def _fill(self, table: str, rows: int) -> None:
        name = f"{self._space}.{table}"
        self._change(
            f"TRUNCATE {name} RESTART IDENTITY", FILL.format(table=name, rows=rows), f"ANALYZE {name}"
        )

    def _pooler(self) -> tuple[str, dict[str, str]]:
        """
        PgBouncer's version and pool settings from its console, or "of unknown version" where we are no admin.
        """
        try:
            with _driver(self._service, database="pgbouncer") as console:
                version = console.execute("SHOW VERSION").fetchall()[0][0]
                config = {row[0]: str(row[1]) for row in console.execute("SHOW CONFIG").fetchall()}
        except psycopg.Error:
            return "of unknown version", {}
        return str(version).split()[-1], {name: config[name] for name in POOL_SETTINGS if name in config}

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
        statements: list[Statement | None] = list(recipe.statements)
        if recipe.transaction:
            statements = [None, *statements, None]
        return Wire(
            sockets=(connection.socket,),
            calls=calls,
            check=replies.checker(replies.tags_of(statements)),
            verify=replies.verifier(statements),
        )

    def _encoded(self, connection: PostgresConnection, text: str, arguments: relational.Arguments) -> bytes:
        if self._pooled:
            return wire_format.parse("", text, arguments) + wire_format.execute("", arguments)
        if text not in connection.names:
            name = f"{OUR_NAME}_{len(connection.names)}"
            parse = wire_format.parse(name, text, arguments) + wire_format.SYNC
            reply = _ask(self._service, connection.socket, parse)
            if (problem := wire_format.error_of(reply)) is not None:
                raise WrongAnswer(
                    f"{self._where()} should have parsed {text!r} and said: {problem}. Is its schema still there?"
                )
            connection.names[text] = name
        return wire_format.execute(connection.names[text], arguments)

    def _driver(self, recipe: Recipe, connection: PostgresConnection, user: int, size: int) -> Driver:
        _give_back(connection)
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
            failure=_failure(driver),
            size=count if recipe.finite else None,
        )


def open_session(service: Service) -> PostgresSession:
    """
    Visit a service of kind `postgresql` or `pgbouncer`.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: it cannot be visited, and why.

    """
    return PostgresSession(service)


def _driver(service: Service, *, database: str | None) -> _Bounded:
    who = service.credentials
    return _Bounded.connect(
        host=service.address.host,
        port=service.address.port,
        user=who.username if who else None,
        password=who.password if who else None,
        dbname=database,
        autocommit=True,
        prepare_threshold=None,
        connect_timeout=int(DEADLINE_S),
        sslmode="disable",  # the engine cannot take over an encrypted socket
        gssencmode="disable",
        client_encoding="utf8",
        application_name=OUR_NAME,
        options="",
    )


def _connect(service: Service) -> PostgresConnection:
    try:
        driver = _driver(service, database=service.database)
    except psycopg.Error as error:
        raise _explained(service, error) from error
    try:
        driver.execute("SELECT 1")  # PgBouncer lets us in before it knows whether its server is there
    except psycopg.Error as error:
        driver.close()
        raise _explained(service, error) from error
    return PostgresConnection(driver=driver, socket=socket.socket(fileno=os.dup(driver.fileno())))


def _give_back(connection: PostgresConnection) -> None:
    """
    Leave the socket as psycopg needs it; the engine may have made it blocking.
    """
    os.set_blocking(connection.driver.fileno(), False)


def _explained(service: Service, error: psycopg.Error) -> ServiceError:
    """
    The driver's error in our words. The driver's text never holds a password.
    """
    where, said = f"{service.name} at {service.address}", " ".join(str(error).split())
    user = service.credentials.username if service.credentials else "no user"
    state = error.sqlstate or ""
    if "received invalid response" in said or "expected authentication request" in said:
        speaks = greeting_in_http(service)
        return WrongAnswer(
            f"{where} should speak PostgreSQL's protocol, but answered {speaks or repr(said)}. "
            f"Is another server listening there? Correct host and port in the stack file."
        )
    if state.startswith(("08", "57P")) or "starting up" in said or "shutting down" in said:
        return ServiceUnreachable(f"{where} is not ready: {said}. Wait, or look at the server's log.")
    if "FATAL:" in said or "ERROR:" in said or state:
        return ServiceRefused(
            f"{where} should let {user} in and do as asked, but said: {said}. "
            f"Check user, password, database and privileges in the stack file and on the server."
        )
    if isinstance(error, psycopg.errors.ConnectionTimeout) and (speaks := greeting_in_http(service)):
        return WrongAnswer(
            f"{where} should speak PostgreSQL's protocol, but answered {speaks}. "
            f"Correct host and port in the stack file."
        )
    return ServiceUnreachable(
        f"{where} should answer within {DEADLINE_S:.0f} s, but: {said}. "
        f"Start the server, or correct host and port in the stack file."
    )


def _failure(driver: _Bounded) -> Callable[[Exception], int]:
    def failure(error: Exception) -> int:
        state = error.sqlstate if isinstance(error, psycopg.Error) else None
        if driver.closed or (state or "").startswith(("08", "57P")):
            return Outcome.LOST
        timeout = isinstance(error, psycopg.OperationalError) and state is None
        return Outcome.TIMEOUT if timeout else Outcome.ERROR

    return failure


def _ask(service: Service, sock: socket.socket, data: bytes) -> bytes:
    """
    One exchange outside of any measurement.
    """
    reply = b""
    sock.settimeout(DEADLINE_S)
    try:
        sock.sendall(data)
        while not wire_format.complete(reply):
            chunk = sock.recv(65536)
            if not chunk:
                raise ConnectionResetError("the server closed the connection")
            reply += chunk
    except OSError as error:
        raise ServiceUnreachable(
            f"{service.name} at {service.address} should have parsed a statement, but: {error}. "
            f"Look at the server's log."
        ) from error
    return reply


def _floor_wire(connection: PostgresConnection, _user: int, _size: int) -> Wire:
    return Wire(
        sockets=(connection.socket,),
        calls=((Step(wire_format.EMPTY_QUERY, wire_format.complete),),),
        check=replies.check_nothing,
        verify=replies.verify_nothing,
    )


def _floor_driver(connection: PostgresConnection, _user: int, _size: int) -> Driver:
    _give_back(connection)
    driver = connection.driver

    def call(_number: int) -> int:
        with driver.cursor() as cursor:
            return cursor.execute("").rowcount

    return Driver(
        call=call,
        check=lambda count: Outcome.OK if count <= 0 else Outcome.WRONG,
        verify=lambda count: None if count <= 0 else f"the empty statement returned {count} rows",
        exceptions=(psycopg.Error,),
        failure=_failure(driver),
    )
