"""
How is MySQL asked, or what speaks its protocol in its place?

pymysql connects, authenticates, seeds and verifies; the engine then uses the same socket with prepared bytes:
each statement is prepared once, a call executes it by its number.
"""

import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from devperf_pipeline.errors import ServiceError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Facts, Outcome, Service
from devperf_pipeline.services import mysql_replies as replies
from devperf_pipeline.services import mysql_wire as wire_format
from devperf_pipeline.services import relational, relational_spoilers
from devperf_pipeline.services import relational_operations as asked
from devperf_pipeline.services.hearing import greeting_in_http
from devperf_pipeline.services.operation import DEADLINE_S, FLOOR, OUR_NAME, Driver, Operation, Step, Wire
from devperf_pipeline.services.relational import Recipe, Result, Statement

RECIPES = (
    asked.INSERT,
    asked.SELECT_BY_KEY,
    asked.FULL_SCAN,
    asked.UPDATE,
    asked.DELETE,
    asked.TRANSACTION,
)

MARKER = "made_by_devperf_for_measuring"
"""The empty table that tells our database from one that only has the same name."""

SETTINGS = (
    "innodb_buffer_pool_size",
    "innodb_flush_log_at_trx_commit",
    "innodb_flush_method",
    "innodb_log_file_size",
    "innodb_redo_log_capacity",
    "innodb_doublewrite",
    "sync_binlog",
    "log_bin",
    "max_connections",
    "transaction_isolation",
    "tx_isolation",
    "query_cache_type",
    "character_set_server",
)

ITEMS = """
    CREATE TABLE {table} (
        id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
        name VARCHAR(40) NOT NULL,
        value VARCHAR(200) NOT NULL,
        version INT NOT NULL DEFAULT 0
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""

DIGITS = "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)"

FILL = """
    INSERT INTO {table} (id, name, value)
    SELECT n, CONCAT('item-', LPAD(n, 8, '0')), REPEAT(LPAD(n, 10, '0'), 10)
    FROM (SELECT 1 + {number} n FROM {digits}) numbers WHERE n <= {rows} ORDER BY n"""

LOST = {0, 1053, 1927, 2006, 2013, 2055}
"""Error codes after which a connection is gone: shutdown, killed, gone away, lost."""

TOO_MANY = {1040, 1129, 1203, 1226}


@dataclass(slots=True, kw_only=True)
class MysqlConnection:
    """
    One user's connection: the driver's, and a second handle on its socket for the engine.

    `numbers` are the statements that were prepared on it, by text.
    """

    driver: "pymysql.Connection[Cursor]"
    socket: socket.socket
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def close(self) -> None:
        """
        End it; never raises.
        """
        self.socket.close()
        with suppress(pymysql.Error):
            self.driver.close()


class MysqlSession:
    """
    One visit to a server that speaks MySQL's protocol. See `operation.Session`.
    """

    exceptions: tuple[type[Exception], ...] = (pymysql.Error,)

    def __init__(self, service: Service) -> None:
        self._service = service
        self._own = _connect(service)

    def facts(self) -> Facts:
        """
        What truly runs there: MariaDB answers in the place of MySQL, and is named so.
        """
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

    def spoilers(self) -> Sequence[str]:
        """
        What would spoil a measurement; see `operation.Forewarning`.
        """
        connected = int(self._rows("SHOW GLOBAL STATUS LIKE 'Threads_connected'")[0][1])
        grants = [row[0] for row in self._rows("SHOW GRANTS")]
        variables = dict(self._rows(relational_spoilers.MYSQL))
        found = list(relational_spoilers.of_mysql(variables, connected, grants))
        if self._found() is False:
            found.append(f"a database {OUR_NAME} exists that this project did not make: rename it")
        return found

    def objects(self) -> Sequence[str]:
        """
        Our database, with all its tables.
        """
        return [f"database {OUR_NAME}"]

    def assume(self) -> None:
        """
        The operations are known without having prepared anything.
        """

    def prepare(self) -> None:
        """
        Make our database anew, with every table seeded.

        Raises:
            ServiceRefused: the database exists and is not ours, or we may not create it.

        """
        if self._found() is False:
            raise ServiceRefused(
                f"{self._where()}: database {OUR_NAME} should not exist, or be one that an earlier baseline left, "
                f"but it does not hold our table {MARKER}. Nothing was touched. "
                f"Rename it, or drop it if it is a leftover."
            )
        self.clean()
        self._run(
            f"CREATE DATABASE {OUR_NAME}",
            f"CREATE TABLE {OUR_NAME}.{MARKER} (nothing INT)",
            *(ITEMS.format(table=f"{OUR_NAME}.{table}") for table in relational.ITEM_TABLES),
        )
        for table in relational.ITEM_TABLES:
            self._fill(table, relational.ROWS)

    def operations(self) -> Sequence[Operation]:
        """
        The floor and the six published operations.
        """
        return (
            Operation(name=FLOOR, title="COM_PING", wire=_floor_wire, driver=_floor_driver),
            *(recipe.operation(wire=self._wire, driver=_driver, fill=self._fill) for recipe in RECIPES),
        )

    def tool_scripts(self) -> Mapping[str, str]:
        """
        The statement that sysbench asks for, in our database. See `operation.ToolTarget`.
        """
        [statement] = asked.SELECT_BY_KEY.statements
        return {asked.SELECT_BY_KEY.name: _text(statement).replace("%s", "?")}

    def connect(self) -> MysqlConnection:
        """
        A new connection.
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
        Drop our database, and nothing that only has its name.
        """
        if self._found():
            self._run(f"DROP DATABASE {OUR_NAME}")

    def close(self) -> None:
        """
        End the visit; never raises.
        """
        self._own.close()

    def _where(self) -> str:
        return f"{self._service.name} at {self._service.address}"

    def _rows(self, query: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if not self._own.driver.open:  # it broke, and cleaning up must not depend on it
            self._own.close()
            self._own = _connect(self._service)
        try:
            with self._own.driver.cursor() as cursor:
                cursor.execute(query, arguments or None)
                return list(cursor.fetchall())
        except pymysql.Error as error:
            raise _explained(self._service, error) from error

    def _run(self, *statements: str) -> None:
        for statement in statements:
            self._rows(statement)

    def _found(self) -> bool | None:
        """
        Whether the database of our name holds our marker; None if there is no such database.
        """
        if not self._rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [OUR_NAME]):
            return None
        marker = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
        return bool(self._rows(marker, [OUR_NAME, MARKER]))

    def _fill(self, table: str, rows: int) -> None:
        name = f"{OUR_NAME}.{table}"
        self._run(f"TRUNCATE TABLE {name}")
        if rows:
            digits = range(len(str(rows)))
            number = " + ".join(f"{10**digit} * d{digit}.n" for digit in digits)
            joined = ", ".join(f"{DIGITS} d{digit}" for digit in digits)
            self._run(FILL.format(table=name, number=number, digits=joined, rows=rows))
        self._run(f"ANALYZE TABLE {name}")

    def _wire(self, recipe: Recipe, connection: MysqlConnection, user: int, size: int) -> Wire:
        numbers = [self._prepared(connection, _text(statement)) for statement in recipe.statements]
        statements: list[Statement | None] = list(recipe.statements)
        before, after = [], []
        if recipe.transaction:
            statements = [None, *statements, None]
            before = [wire_format.command(wire_format.QUERY, b"BEGIN")]
            after = [wire_format.command(wire_format.QUERY, b"COMMIT")]
        calls: list[tuple[Step, ...]] = []
        for arguments in recipe.every_call(user, size):
            data = [wire_format.execute(*pair) for pair in zip(numbers, arguments, strict=True)]
            calls.append(tuple(Step(each, wire_format.complete) for each in (*before, *data, *after)))
        return Wire(
            sockets=(connection.socket,),
            calls=calls,
            check=replies.checker(statements),
            verify=replies.verifier(statements),
        )

    def _prepared(self, connection: MysqlConnection, text: str) -> int:
        """
        The number of the statement on this connection, prepared if it was not yet.
        """
        if text not in connection.numbers:
            command = wire_format.command(wire_format.PREPARE, text.replace("%s", "?").encode())
            reply = b""
            connection.socket.settimeout(DEADLINE_S)
            try:
                connection.socket.sendall(command)
                while not (answer := wire_format.prepared(reply))[1]:
                    chunk = connection.socket.recv(65536)
                    if not chunk:
                        raise ConnectionResetError("the server closed the connection")
                    reply += chunk
            except OSError as error:
                raise ServiceUnreachable(
                    f"{self._where()} should have prepared a statement, but: {error}. Look at the server's log."
                ) from error
            except ValueError as error:
                said = wire_format.error_of(reply) or str(error)
                raise WrongAnswer(
                    f"{self._where()} should have prepared {text!r} and said: {said}. Is its database still there?"
                ) from error
            connection.numbers[text] = answer[0]
        return connection.numbers[text]


def open_session(service: Service) -> MysqlSession:
    """
    Visit a service of kind `mysql`.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: it cannot be visited, and why.

    """
    return MysqlSession(service)


def _text(statement: Statement) -> str:
    return statement.text.replace("{space}", OUR_NAME)


def _connect(service: Service) -> MysqlConnection:
    who = service.credentials
    try:
        driver = pymysql.connect(
            host=service.address.host,
            port=service.address.port,
            user=who.username if who else "",
            password=who.password.encode() if who else b"",  # the driver would encode it as Latin-1
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=int(DEADLINE_S),
            read_timeout=int(DEADLINE_S),
            write_timeout=int(DEADLINE_S),
            ssl_disabled=True,  # the engine cannot take over an encrypted socket
        )
    except pymysql.Error as error:
        raise _explained(service, error) from error
    except (ValueError, IndexError, struct.error) as error:  # a greeting that only begins like one
        raise _other_protocol(service, f"a greeting that cannot be read ({error})") from error
    except RuntimeError as error:
        raise ServiceRefused(
            f"{service.name} at {service.address} asks for a way to log in that the driver does not have: {error}. "
            f"Install what it names, or let this user log in by mysql_native_password."
        ) from error
    # The driver has no public way to its socket.
    own: socket.socket = driver._sock  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue]
    return MysqlConnection(driver=driver, socket=own.dup())


def _other_protocol(service: Service, said: str) -> WrongAnswer:
    return WrongAnswer(
        f"{service.name} at {service.address} should speak MySQL's protocol, but answered {said}. "
        f"Is another server listening there? Correct host and port in the stack file."
    )


def _explained(service: Service, error: pymysql.Error) -> ServiceError:
    """
    The driver's error in our words. The driver's text never holds a password.
    """
    where = f"{service.name} at {service.address}"
    code = error.args[0] if error.args and isinstance(error.args[0], int) else None
    said = str(error.args[-1]) if error.args else type(error).__name__
    user = service.credentials.username if service.credentials else "no user"
    if code is None:  # not the server's words but the driver's, about packets that make no sense
        return _other_protocol(service, greeting_in_http(service) or repr(said))
    if code in LOST | {2003}:
        speaks = greeting_in_http(service) if code != 2003 else None
        # A MySQL that is only slow greets with a packet, whose length and number hold zeros.
        if speaks is not None and "\\x00" not in speaks:
            return _other_protocol(service, speaks)
        return ServiceUnreachable(
            f"{where} should answer within {DEADLINE_S:.0f} s, but: {said}. "
            f"Start the server, or correct host and port in the stack file."
        )
    if code in TOO_MANY:
        return ServiceRefused(
            f"{where} has no room for another connection: {code} {said}. "
            f"Close some, or raise max_connections on the server."
        )
    return ServiceRefused(
        f"{where} should let {user} in and do as asked, but said: {code} {said}. Check user, password and "
        f"privileges (it needs GRANT ALL ON {OUR_NAME}.*) in the stack file and on the server."
    )


def _driver(recipe: Recipe, connection: MysqlConnection, user: int, size: int) -> Driver:
    """
    One user's calls through pymysql, which quotes the arguments into the text of each call.
    """
    _give_back(connection)
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
        failure=_failure,
        size=count if recipe.finite else None,
    )


def _failure(error: Exception) -> int:
    code = error.args[0] if error.args else None
    if isinstance(error.__context__, TimeoutError):
        return Outcome.TIMEOUT
    return Outcome.LOST if code in LOST else Outcome.ERROR


def _give_back(connection: MysqlConnection) -> None:
    """
    Leave the socket as pymysql needs it; the engine may have made it blocking.
    """
    connection.socket.settimeout(DEADLINE_S)


def _floor_wire(connection: MysqlConnection, _user: int, _size: int) -> Wire:
    ping = wire_format.command(wire_format.PING)
    return Wire(
        sockets=(connection.socket,),
        calls=((Step(ping, wire_format.complete),),),
        check=replies.checker([None]),
        verify=replies.verifier([None]),
    )


def _floor_driver(connection: MysqlConnection, _user: int, _size: int) -> Driver:
    _give_back(connection)
    driver = connection.driver

    def call(_number: int) -> bool:
        driver.ping(reconnect=False)
        return driver.open

    return Driver(
        call=call,
        check=lambda open_still: Outcome.OK if open_still else Outcome.WRONG,
        verify=lambda open_still: None if open_still else "the connection is not open after a PING",
        exceptions=(pymysql.Error,),
        failure=_failure,
    )
