"""How is one connection to MongoDB made, shared between driver and engine, and what do its errors mean?"""

import socket
import ssl
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

import pymongo
from pymongo.errors import (
    ConnectionFailure,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
)
from pymongo.synchronous.database import Database

from devperf_pipeline.errors import ServiceError, ServiceRefused
from devperf_pipeline.model import Outcome, Service
from devperf_pipeline.services.operation import DEADLINE_S, OUR_NAME, own_name
from devperf_pipeline.services.probe import not_in_time, translated
from devperf_pipeline.stack.tls import context

REFUSED = {13, 18}
"""Error codes: Unauthorized, AuthenticationFailed."""

Client = pymongo.MongoClient[dict[str, Any]]
Ours = Database[dict[str, Any]]


@dataclass(slots=True, kw_only=True)
class MongodbConnection:
    """
    One user's connection: the driver's client, and a handle on its only socket for the engine.

    `database` is what ours is called.
    """

    client: Client
    socket: socket.socket
    database: str

    @property
    def ours(self) -> Ours:
        """Our database, by the driver."""
        return self.client[self.database]

    def give_back(self) -> None:
        """Leave the socket as pymongo needs it; the engine may have made it blocking."""
        self.socket.settimeout(DEADLINE_S)

    def close(self) -> None:
        """End it; never raises."""
        with suppress(PyMongoError, OSError):
            self.client.close()
        self.socket.close()


def connect(service: Service) -> MongodbConnection:
    """A new connection, authenticated; raises a `ServiceError`."""
    who = service.credentials
    login: dict[str, Any] = (
        {"username": who.username, "password": who.password, "authSource": service.database or "admin"}
        if who
        else {}
    )
    client: Client | None = None
    address = service.address
    try:
        client = Client(
            # Without its port, in the brackets that IPv6 has in a URL.
            host=str(address).rpartition(":")[0],
            port=address.port,
            connect=False,
            directConnection=True,
            appname=OUR_NAME,
            # One socket, which the engine takes over.
            maxPoolSize=1,
            connectTimeoutMS=int(DEADLINE_S * 1000),
            serverSelectionTimeoutMS=int(DEADLINE_S * 1000),
            socketTimeoutMS=int(DEADLINE_S * 1000),
            retryReads=False,
            retryWrites=False,
            # Its watch on the server would speak up while others are measured.
            serverMonitoringMode="poll",
            heartbeatFrequencyMS=3_600_000,
            **login,
        )
        if address.tls:
            _encrypt(client, context(address.tls))
        client.admin.command("ping")
        own = _socket_of(client, service)
        # Of an encrypted one there can be one handle alone.
        handle = own if isinstance(own, ssl.SSLSocket) else own.dup()
        return MongodbConnection(client=client, socket=handle, database=own_name(service))
    except PyMongoError as error:
        if client:
            client.close()
        raise _explanation(service, error) from error
    except (ValueError, IndexError):  # what the driver's preparation of texts stumbles over
        if client:
            client.close()
        raise ServiceRefused(
            f"{service.where}: expected a user name and a password that can be sent, found an "
            "empty one, or letters that SCRAM forbids. Correct username and password in the stack file."
        ) from None  # the driver's text may show them


def _encrypt(client: Client, made: ssl.SSLContext) -> None:
    """
    Have the driver's connections encrypted by that context.

    The driver takes paths alone: no name of the server, and the key in one file with the certificate.
    """
    options = client.options.pool_options
    name = "_PoolOptions__ssl_context"
    if name not in dir(options):
        raise InvalidOperation(f"the context of pymongo {pymongo.version} is not where it was")
    setattr(options, name, made)


def _socket_of(client: Any, service: Service) -> socket.socket:
    """The socket of a client that has only one. The driver has no public way to it."""
    servers = client._topology._servers  # noqa: SLF001
    own = servers[service.address.host, service.address.port].pool.conns[0].conn.get_conn
    if not isinstance(own, socket.socket):
        raise InvalidOperation("the driver gives no plain socket to the engine")
    return own


def explained(service: Service) -> AbstractContextManager[None]:
    """Turn what the driver raises into a `ServiceError`."""
    return translated(PyMongoError, service, _explanation)


def _explanation(service: Service, error: PyMongoError) -> ServiceError:
    """The driver's error in our words. The driver's text never holds a password."""
    where = service.where
    user = service.credentials.username if service.credentials else "no user"
    if isinstance(error, ConnectionFailure):
        return not_in_time(service, str(error).split(", Timeout:")[0])
    said = str(error).split(", full error:")[0]
    if isinstance(error, OperationFailure) and error.code in REFUSED:
        return ServiceRefused(
            f"{where} should let {user} in and do as asked, but said: {error.code} {said}. Check user, password and "
            f"the database that the user is defined in (`database`, now {service.database or 'admin'!r}) in the stack "
            f"file; the user needs the role dbOwner on {own_name(service)}."
        )
    return ServiceRefused(f"{where} should do as asked, but said: {said}. Look at the server's log.")


def failure(error: Exception) -> int:
    """How a call ended that the driver raised."""
    if isinstance(error, NetworkTimeout):
        return Outcome.TIMEOUT
    return Outcome.LOST if isinstance(error, ConnectionFailure) else Outcome.ERROR
