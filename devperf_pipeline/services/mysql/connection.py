"""How is one connection to MySQL made, shared between driver and engine, and what do its errors mean?"""

import socket
import ssl
import struct
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from devperf_pipeline.errors import ServiceError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Outcome, Service, Tls
from devperf_pipeline.services.mysql import protocol
from devperf_pipeline.services.operation import DEADLINE_S, own_name
from devperf_pipeline.services.probe import greeting_in_http, growing, not_in_time, tls_only, translated
from devperf_pipeline.stack.tls import context, refusal, speaks_plainly

LOST = {0, 1053, 1927, 2006, 2013, 2055}
"""Error codes after which a connection is gone: shutdown, killed, gone away, lost."""

DENIED = 1045

NO_TLS = 2026
"""The driver's own code where a server cannot encrypt."""

TOO_MANY = {1040, 1129, 1203, 1226}


@dataclass(slots=True, kw_only=True)
class MysqlConnection:
    """
    One user's connection: the driver's, and a handle on its socket for the engine.

    `where` is what messages call the server; `numbers` are the statements that were prepared on it, by text.
    """

    where: str
    driver: "pymysql.Connection[Cursor]"
    socket: socket.socket
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def give_back(self) -> None:
        """Leave the socket as pymysql needs it; the engine may have made it blocking."""
        self.socket.settimeout(DEADLINE_S)

    def close(self) -> None:
        """End it; never raises."""
        with suppress(pymysql.Error):
            self.driver.close()
        self.socket.close()


def connect(
    service: Service, *, deadline_s: float = DEADLINE_S, conversions: dict[Any, Any] | None = None
) -> MysqlConnection:
    """
    A new connection, authenticated; raises a `ServiceError`.

    An answer may take `deadline_s`; `conversions` are those of the driver in the place of its own.
    """
    tls = service.address.tls
    try:
        driver = _driver_to(service, context(tls) if tls else None, deadline_s, conversions)
    except pymysql.Error as error:
        raise _explanation(service, error) from error
    except (ValueError, IndexError, struct.error) as error:  # a greeting that only begins like one
        raise _other_protocol(service, f"a greeting that cannot be read ({error})") from error
    except RuntimeError as error:
        raise ServiceRefused(
            f"{service.where} asks for a way to log in that the driver does not have: {error}. "
            f"Install what it names, or let this user log in by mysql_native_password."
        ) from error
    own = _socket_of(driver)
    # Of an encrypted one there can be one handle alone.
    handle = own if isinstance(own, ssl.SSLSocket) else own.dup()
    return MysqlConnection(where=service.where, driver=driver, socket=handle)


def _driver_to(
    service: Service,
    encrypted: ssl.SSLContext | None,
    deadline_s: float = DEADLINE_S,
    conversions: dict[Any, Any] | None = None,
) -> "pymysql.Connection[Cursor]":
    who, address = service.credentials, service.address
    return pymysql.connect(
        host="localhost" if address.is_unix else address.host,
        port=address.port,
        unix_socket=address.host if address.is_unix else None,
        user=who.username if who else "",
        password=who.password.encode() if who else b"",  # the driver would encode it as Latin-1
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=int(DEADLINE_S),
        read_timeout=int(deadline_s),
        write_timeout=int(DEADLINE_S),
        conv=conversions,
        ssl=encrypted,
        ssl_disabled=encrypted is None,
    )


def _enters_by_tls(service: Service) -> bool:
    """Whether TLS is all that is wrong: MariaDB says of it no more than that access is denied."""
    try:
        _driver_to(service, context(Tls(where="", verify=False))).close()
    except (pymysql.Error, RuntimeError, ValueError):
        return False
    return True


def _socket_of(driver: Any) -> socket.socket:
    """The driver has no public way to its socket."""
    return driver._sock  # noqa: SLF001


def _other_protocol(service: Service, said: str) -> WrongAnswer:
    return WrongAnswer(
        f"{service.where} should speak MySQL's protocol, but answered {said}. "
        f"Is another server listening there? Correct host and port in the stack file."
    )


def explained(service: Service) -> AbstractContextManager[None]:
    """Turn what the driver raises into a `ServiceError`."""
    return translated(pymysql.Error, service, _explanation)


def _explanation(service: Service, error: pymysql.Error) -> ServiceError:
    """The driver's error in our words. The driver's text never holds a password."""
    return _about_tls(service, error) or _about_all_else(service, error)


def _about_tls(service: Service, error: pymysql.Error) -> ServiceError | None:
    address = service.address
    if address.tls and error.args[:1] == (NO_TLS,):
        return ServiceRefused(f"{service.where}: {speaks_plainly(address.tls)}")
    is_plain = address.tls is None and not address.is_unix
    if is_plain and (
        "insecure transport" in str(error) or (error.args[:1] == (DENIED,) and _enters_by_tls(service))
    ):
        return tls_only(service, address)
    return refusal(service.where, address, error)


def _about_all_else(service: Service, error: pymysql.Error) -> ServiceError:
    where = service.where
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
        return not_in_time(service, said)
    if code in TOO_MANY:
        return ServiceRefused(
            f"{where} has no room for another connection: {code} {said}. "
            f"Close some, or raise max_connections on the server."
        )
    return ServiceRefused(
        f"{where} should let {user} in and do as asked, but said: {code} {said}. Check user, password and "
        f"privileges (it needs GRANT ALL ON {own_name(service)}.*) in the stack file and on the server."
    )


def failure(error: Exception) -> int:
    """How a call ended that the driver raised."""
    code = error.args[0] if error.args else None
    if isinstance(error.__context__, TimeoutError):
        return Outcome.TIMEOUT
    return Outcome.LOST if code in LOST else Outcome.ERROR


def number_of(text: str, connection: MysqlConnection) -> int:
    """The number of a statement on this connection, prepared if it was not yet; raises a `ServiceError`."""
    if text not in connection.numbers:
        try:
            connection.numbers[text] = protocol.prepared(prepare(text, connection))[0]
        except pymysql.Error as error:
            raise WrongAnswer(
                f"{connection.where} should have prepared {text!r} and said: {error}. Is its database still there?"
            ) from error
    return connection.numbers[text]


def prepare(text: str, connection: MysqlConnection) -> bytes:
    """
    The whole reply to a PREPARE.

    Raises:
        ServiceUnreachable: nothing came in time.
        pymysql.Error: what the server says, as the driver raises it.

    """
    reply = b""
    try:
        for reply in growing(connection.socket, protocol.command(protocol.PREPARE, text.encode())):
            if protocol.prepared(reply)[1]:
                break
    except OSError as error:
        raise ServiceUnreachable(
            f"{connection.where} should have prepared a statement, but: {error}. Look at the server's log."
        ) from error
    except ValueError:
        pymysql.err.raise_mysql_exception(reply[4:])
    return reply
