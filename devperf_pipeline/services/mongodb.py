"""
How is MongoDB asked, or what speaks its protocol in its place?

pymongo connects, authenticates, seeds and verifies; the engine then uses the same socket with prepared messages.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
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

from devperf_pipeline.errors import ServiceError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Facts, Outcome, Service
from devperf_pipeline.services import mongodb_wire as wire_format
from devperf_pipeline.services.hearing import hear, show
from devperf_pipeline.services.mongodb_operations import COLLECTIONS, RECIPES, Ours, Recipe
from devperf_pipeline.services.mongodb_spoilers import of_server
from devperf_pipeline.services.mongodb_wire import Answer
from devperf_pipeline.services.operation import DEADLINE_S, FLOOR, OUR_NAME, Driver, Operation, Step, Wire
from devperf_pipeline.services.relational import LARGEST, USERS

MARKER = "made_by_devperf_for_measuring"
"""The empty collection that tells our database from one that only has the same name."""

PARAMETERS = ("journalCommitInterval", "wiredTigerConcurrentWriteTransactions", "syncdelay")

REFUSED = {13, 18}
"""Error codes: Unauthorized, AuthenticationFailed."""

Client = pymongo.MongoClient[dict[str, Any]]


@dataclass(slots=True, kw_only=True)
class MongodbConnection:
    """
    One user's connection: the driver's client, and a second handle on its only socket for the engine.
    """

    client: Client
    socket: socket.socket

    @property
    def ours(self) -> Ours:
        """
        Our database, by the driver.
        """
        return self.client[OUR_NAME]

    def close(self) -> None:
        """
        End it; never raises.
        """
        self.socket.close()
        with suppress(PyMongoError, OSError):
            self.client.close()


class MongodbSession:
    """
    One visit to a server that speaks MongoDB's protocol. See `operation.Session`.
    """

    exceptions: tuple[type[Exception], ...] = (PyMongoError,)

    def __init__(self, service: Service) -> None:
        self._service = service
        self._own = _connect(service)

    def facts(self) -> Facts:
        """
        What truly runs there: many answer in the place of MongoDB, and claim a version of it.
        """
        try:
            built = self._own.client.admin.command("buildInfo")
        except PyMongoError as error:
            raise _explained(self._service, error) from error
        status = self._asked("serverStatus")
        product, version = _what_runs(built, status)
        settings = {name: str(value) for name, value in self._service.settings.items()}
        engine = status.get("storageEngine", {}).get("name")
        if engine:
            settings["storage engine"] = engine
        cache_bytes = status.get("wiredTiger", {}).get("cache", {}).get("maximum bytes configured")
        if cache_bytes:
            settings["wiredTiger cache bytes"] = str(cache_bytes)
        hello = self._asked("hello")
        settings["topology"] = f"replica set {hello['setName']}" if "setName" in hello else "standalone"
        concern = self._asked("getDefaultRWConcern").get("defaultWriteConcern", {}).get("w")
        # What a standalone server says of it means nothing: it acknowledges by itself.
        if concern and "setName" in hello:
            settings["default write concern"] = f"w: {concern}"
        parameters = self._asked("getParameter", "*")
        settings |= {name: str(parameters[name]) for name in PARAMETERS if name in parameters}
        return Facts(product=product, version=version, settings=settings)

    def spoilers(self) -> Sequence[str]:
        """
        What would spoil a measurement; see `operation.Forewarning`.
        """
        told = self._asked("connectionStatus").get("authInfo", {}).get("authenticatedUserRoles", [])
        found = list(
            of_server(self._asked("hello"), self._asked("serverStatus").get("connections", {}), told)
        )
        if self._found() is False:
            found.append(f"a database {OUR_NAME} exists that this project did not make: rename it")
        return found

    def objects(self) -> Sequence[str]:
        """
        Our database, with all its collections.
        """
        return [f"database {OUR_NAME}"]

    def assume(self) -> None:
        """
        The operations are known without having prepared anything.
        """

    def prepare(self) -> None:
        """
        Make our database anew, with every collection seeded.

        Raises:
            ServiceRefused: the database exists and is not ours, or we may not create it.

        """
        if self._found() is False:
            raise ServiceRefused(
                f"{self._service.name} at {self._service.address}: database {OUR_NAME} should not exist, or be one "
                f"that an earlier baseline left, but it does not hold our collection {MARKER}. Nothing was touched. "
                f"Rename it, or drop it if it is a leftover."
            )
        self.clean()
        try:
            self._own.ours.create_collection(MARKER)
            for collection, (_, rows) in COLLECTIONS.items():
                self._fill(collection, rows)
        except PyMongoError as error:
            raise _explained(self._service, error) from error

    def operations(self) -> Sequence[Operation]:
        """
        The floor and the seven published operations.
        """
        return (
            Operation(name=FLOOR, title="ping", wire=_floor_wire, driver=_floor_driver),
            *(self._operation(recipe) for recipe in RECIPES),
        )

    def connect(self) -> MongodbConnection:
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
            try:
                self._own.client.drop_database(OUR_NAME)
            except PyMongoError as error:
                raise _explained(self._service, error) from error

    def close(self) -> None:
        """
        End the visit; never raises.
        """
        self._own.close()

    def _asked(self, command: str, value: Any = 1) -> dict[str, Any]:
        """
        What the server says of itself; nothing where it does not know the question, or may not tell us.
        """
        with suppress(OperationFailure):
            return self._own.client.admin.command(command, value)
        return {}

    def _found(self) -> bool | None:
        """
        Whether the database of our name holds our marker; None if there is no such database.
        """
        for last in (False, True):
            try:
                names = self._own.ours.list_collection_names()
            except ConnectionFailure as error:
                # It broke, and cleaning up must not depend on it: pymongo connects anew.
                if last:
                    raise _explained(self._service, error) from error
            except PyMongoError as error:
                raise _explained(self._service, error) from error
            else:
                return MARKER in names if names else None
        return None

    def _fill(self, collection: str, rows: int) -> None:
        """
        Let a collection hold the documents 1 to `rows`, and no others.
        """
        ours, (document, _) = self._own.ours, COLLECTIONS[collection]
        ours.drop_collection(collection)
        ours.create_collection(collection)
        if rows:
            ours[collection].insert_many((document(key) for key in range(1, rows + 1)), ordered=False)

    def _operation(self, recipe: Recipe) -> Operation:
        def reset(users: int, size: int) -> None:
            if recipe.collection is not None:
                self._fill(recipe.collection, recipe.rows(users, size))

        return Operation(
            name=recipe.name,
            title=recipe.title,
            users=USERS,
            wire=lambda connection, user, size: _wire(recipe, connection, user, size),
            driver=lambda connection, user, size: _driver(recipe, connection, user, size),
            reset=reset if recipe.collection else None,
            finite=recipe.finite,
            largest=LARGEST,
            least_s=recipe.least_s,
        )


def open_session(service: Service) -> MongodbSession:
    """
    Visit a service of kind `mongodb`.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: it cannot be visited, and why.

    """
    heard = hear(
        service,
        service.address,
        say=wire_format.encode({"hello": 1}, "admin"),
        enough=wire_format.complete,
    )
    try:
        wire_format.document(heard)
    except ValueError as error:
        raise WrongAnswer(
            f"{service.name}: expected a server that speaks MongoDB's protocol at {service.address}, heard "
            f"{show(heard)}. Correct the address in the stack file."
        ) from error
    return MongodbSession(service)


def _what_runs(built: dict[str, Any], status: dict[str, Any]) -> tuple[str, str]:
    """
    Product and version of what truly runs, by what only MongoDB has and what only others say.

    The figures of another engine say nothing about MongoDB itself, so it never gets MongoDB's name alone, nor the
    version that it claims.
    """
    others = {
        "SecantusDB": status.get("secantus", {}).get("version") or built.get("secantusVersion"),
        "FerretDB": built.get("ferretdbVersion") or built.get("ferretdb", {}).get("version"),
    }
    for name, version in others.items():
        if version:
            return f"MongoDB protocol ({name} {version})", str(version)
    if not str(built.get("gitVersion", "")).strip("0"):
        return "MongoDB protocol (an unknown engine)", "unknown"
    return f"MongoDB {built['version']}", built["version"]


def _connect(service: Service) -> MongodbConnection:
    who = service.credentials
    login: dict[str, Any] = (
        {"username": who.username, "password": who.password, "authSource": service.database or "admin"}
        if who
        else {}
    )
    client: Client | None = None
    try:
        client = Client(
            host=service.address.host,
            port=service.address.port,
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
        client.admin.command("ping")
        return MongodbConnection(client=client, socket=_socket_of(client, service).dup())
    except PyMongoError as error:
        if client:
            client.close()
        raise _explained(service, error) from error
    except (ValueError, IndexError):  # what the driver's preparation of texts stumbles over
        if client:
            client.close()
        raise ServiceRefused(
            f"{service.name} at {service.address}: expected a user name and a password that can be sent, found an "
            "empty one, or letters that SCRAM forbids. Correct username and password in the stack file."
        ) from None  # the driver's text may show them


def _socket_of(client: Client, service: Service) -> socket.socket:
    """
    The socket of a client that has only one. The driver has no public way to it.
    """
    servers: Any = client._topology._servers  # noqa: SLF001
    own = servers[service.address.host, service.address.port].pool.conns[0].conn.get_conn
    if not isinstance(own, socket.socket):
        raise InvalidOperation("the driver gives no plain socket to the engine")
    return own


def _explained(service: Service, error: PyMongoError) -> ServiceError:
    """
    The driver's error in our words. The driver's text never holds a password.
    """
    where = f"{service.name} at {service.address}"
    user = service.credentials.username if service.credentials else "no user"
    if isinstance(error, ConnectionFailure):
        said = str(error).split(", Timeout:")[0]
        return ServiceUnreachable(
            f"{where} should answer within {DEADLINE_S:.0f} s, but: {said}. "
            f"Start the server, or correct host and port in the stack file."
        )
    said = str(error).split(", full error:")[0]
    if isinstance(error, OperationFailure) and error.code in REFUSED:
        return ServiceRefused(
            f"{where} should let {user} in and do as asked, but said: {error.code} {said}. Check user, password and "
            f"the database that the user is defined in (`database`, now {service.database or 'admin'!r}) in the stack "
            f"file; the user needs the role dbOwner on {OUR_NAME}."
        )
    return ServiceRefused(f"{where} should do as asked, but said: {said}. Look at the server's log.")


def _wire(recipe: Recipe, connection: MongodbConnection, user: int, size: int) -> Wire:
    return Wire(
        sockets=(connection.socket,),
        calls=[
            (Step(wire_format.encode(recipe.command(arguments)), wire_format.complete),)
            for arguments in recipe.every_call(user, size)
        ],
        check=wire_format.checker(recipe.count, recipe.mark),
        verify=wire_format.verifier(recipe.wrong),
    )


def _driver(recipe: Recipe, connection: MongodbConnection, user: int, size: int) -> Driver:
    """
    One user's calls through pymongo, as an application makes them.
    """
    _give_back(connection)
    ours, ask, calls = connection.ours, recipe.ask, recipe.every_call(user, size)
    count = len(calls)

    def call(number: int) -> Answer:
        return ask(ours, calls[number % count])

    return Driver(
        call=call,
        check=recipe.check,
        verify=recipe.wrong,
        exceptions=(PyMongoError,),
        failure=_failure,
        size=count if recipe.finite else None,
    )


def _failure(error: Exception) -> int:
    if isinstance(error, NetworkTimeout):
        return Outcome.TIMEOUT
    return Outcome.LOST if isinstance(error, ConnectionFailure) else Outcome.ERROR


def _give_back(connection: MongodbConnection) -> None:
    """
    Leave the socket as pymongo needs it; the engine may have made it blocking.
    """
    connection.socket.settimeout(DEADLINE_S)


def _floor_wire(connection: MongodbConnection, _user: int, _size: int) -> Wire:
    ping = wire_format.encode({"ping": 1})
    return Wire(
        sockets=(connection.socket,),
        calls=((Step(ping, wire_format.complete),),),
        check=wire_format.checker(0, wire_format.ID),
        verify=wire_format.verifier(lambda _: None),
    )


def _floor_driver(connection: MongodbConnection, _user: int, _size: int) -> Driver:
    _give_back(connection)
    ours = connection.ours
    return Driver(
        call=lambda _: ours.command("ping"),
        check=lambda answer: Outcome.OK if answer.get("ok") == 1 else Outcome.WRONG,
        verify=wire_format.error_of,
        exceptions=(PyMongoError,),
        failure=_failure,
    )
