"""How is one connection to PostgreSQL made, shared between driver and engine, and what do its errors mean?"""

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import psycopg
from psycopg.abc import AdaptContext

from devperf_pipeline.errors import ServiceError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Address, Outcome, Service
from devperf_pipeline.services.operation import DEADLINE_S, OUR_NAME
from devperf_pipeline.services.postgresql import protocol
from devperf_pipeline.services.probe import (
    greeting_in_http,
    growing,
    not_in_time,
    opened,
    tls_only,
    translated,
)
from devperf_pipeline.stack.tls import context, refusal, speaks_plainly, trusted

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""What a client sends that wants to encrypt; S is yes."""


class BoundedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which every wait ends; psycopg alone would wait for a silent server for ever."""

    deadline_s = DEADLINE_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        return super().wait(gen, interval, self.deadline_s if timeout is None else timeout)


@dataclass(slots=True, kw_only=True)
class PostgresConnection:
    """
    One user's connection: the driver's, and a second handle on its socket for the engine.

    `where` is what messages call the server; `names` are the statements that were parsed on it, by text.
    """

    where: str
    driver: BoundedConnection
    socket: socket.socket
    names: dict[str, str] = field(default_factory=dict[str, str])

    def give_back(self) -> None:
        """Leave the socket as psycopg needs it; the engine may have made it blocking."""
        os.set_blocking(self.driver.fileno(), False)

    def close(self) -> None:
        """End it; never raises."""
        self.socket.close()
        with suppress(psycopg.Error):
            self.driver.close()


def driver_to(
    service: Service, database: str | None, adapters: AdaptContext | None = None
) -> BoundedConnection:
    """A connection of the driver to one database, authenticated; raises a `psycopg.Error`."""
    who = service.credentials
    return BoundedConnection.connect(
        **where_and_how(service.address),
        user=who.username if who else None,
        password=who.password if who else None,
        dbname=database,
        autocommit=True,
        prepare_threshold=None,
        connect_timeout=int(DEADLINE_S),
        gssencmode="disable",
        client_encoding="utf8",
        application_name=OUR_NAME,
        options="",
        context=adapters,
    )


def where_and_how(address: Address) -> dict[str, Any]:
    """The parameters of libpq for an address: where it is, and how connections are encrypted."""
    if address.is_unix:
        path = PurePath(address.host)
        return {"host": str(path.parent), "port": path.suffix[1:], "sslmode": "disable"}
    port, tls = str(address.port), address.tls
    if tls is None:
        return {"host": address.host, "port": port, "sslmode": "disable"}
    found = {"host": tls.server_name or address.host, "port": port, "sslcertmode": "disable"}
    if tls.server_name:
        found["hostaddr"] = str(socket.getaddrinfo(address.host, None)[0][4][0])
    if tls.certificate:
        key = tls.key or tls.certificate
        found |= {"sslcertmode": "require", "sslcert": str(tls.certificate), "sslkey": str(key)}
    if tls.verify:
        return found | {"sslmode": "verify-full", "sslrootcert": str(tls.ca or trusted())}
    # By itself it would look for a file in the home folder, and check against that.
    return found | {"sslmode": "require", "sslrootcert": f"{os.devnull}/none"}


def connect(service: Service) -> PostgresConnection:
    """A new connection whose way to the database was tried; raises a `ServiceError`."""
    with explained(service):
        driver = driver_to(service, service.database)
        try:
            driver.execute("SELECT 1")  # PgBouncer lets us in before it knows whether its server is there
        except psycopg.Error:
            driver.close()
            raise
    own = socket.socket(fileno=os.dup(driver.fileno()))
    return PostgresConnection(where=service.where, driver=driver, socket=own)


def explained(service: Service) -> AbstractContextManager[None]:
    """Turn what the driver raises into a `ServiceError`."""
    return translated(psycopg.Error, service, _explanation)


def _explanation(service: Service, error: psycopg.Error) -> ServiceError:
    """The driver's error in our words. The driver's text never holds a password."""
    return _about_tls(service, error) or _about_all_else(service, error)


def _about_tls(service: Service, error: psycopg.Error) -> ServiceError | None:
    address, where, said = service.address, service.where, " ".join(str(error).split())
    if address.tls and not error.sqlstate and "FATAL:" not in said:
        if "does not support SSL" in said:
            return ServiceRefused(f"{where}: {speaks_plainly(address.tls)}")
        if "SSL" in said or "certificate" in said:
            # libpq does not say what is wrong with a certificate; Python does.
            return _handshake_refused(service) or ServiceRefused(
                f"{where} should let us in by TLS, but libpq says: {said}. Look at {address.tls.where}."
            )
    return tls_only(service, address) if "no encryption" in said or "SSL required" in said else None


def _about_all_else(service: Service, error: psycopg.Error) -> ServiceError:
    where, said = service.where, " ".join(str(error).split())
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
    return not_in_time(service, said)


def _handshake_refused(service: Service) -> ServiceError | None:
    """Why a handshake with the server fails, where it does."""
    address = service.address
    assert address.tls is not None
    try:
        with opened(replace(address, tls=None)) as plain:
            plain.sendall(SSL_REQUEST)
            if plain.recv(1) == b"S":
                context(address.tls).wrap_socket(plain, server_hostname=address.host).close()
    except (OSError, ServiceError) as error:
        return error if isinstance(error, ServiceError) else refusal(service.where, address, error)
    return None


def failure_of(driver: BoundedConnection) -> Callable[[Exception], int]:
    """How a call ended that the driver raised."""

    def failure(error: Exception) -> int:
        state = error.sqlstate if isinstance(error, psycopg.Error) else None
        if driver.closed or (state or "").startswith(("08", "57P")):
            return Outcome.LOST
        timeout = isinstance(error, psycopg.OperationalError) and state is None
        return Outcome.TIMEOUT if timeout else Outcome.ERROR

    return failure


def name_of(text: str, connection: PostgresConnection, parse: Callable[[str], bytes]) -> str:
    """
    The name of a statement on this connection, parsed if it was not yet; `parse` encodes that, given its name.

    Raises:
        ServiceError: the server does not parse it.

    """
    if text not in connection.names:
        name = f"{OUR_NAME}_{len(connection.names)}"
        try:
            replies = growing(connection.socket, parse(name) + protocol.SYNC)
            whole = next(reply for reply in replies if protocol.complete(reply))
        except OSError as error:
            raise ServiceUnreachable(
                f"{connection.where} should have parsed a statement, but: {error}. Look at the server's log."
            ) from error
        if (problem := protocol.error_of(whole)) is not None:
            raise WrongAnswer(
                f"{connection.where} should have parsed {text!r} and said: {problem}. Is its schema still there?"
            )
        connection.names[text] = name
    return connection.names[text]
