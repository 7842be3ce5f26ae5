"""
How is MongoDB asked, or what speaks its protocol in its place?

pymongo connects, authenticates, seeds and verifies; the engine then uses the same socket with prepared messages.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Facts, Outcome, Service
from devperf_pipeline.services.mongodb import protocol as wire_format
from devperf_pipeline.services.mongodb.connection import MongodbConnection, connect, explained, failure
from devperf_pipeline.services.mongodb.preflight import of_server
from devperf_pipeline.services.mongodb.protocol import Answer
from devperf_pipeline.services.mongodb.workload import COLLECTIONS, RECIPES, Recipe
from devperf_pipeline.services.operation import FLOOR, OUR_NAME, Driver, Operation, Step, Wire
from devperf_pipeline.services.probe import hear, show
from devperf_pipeline.services.relational.database_session import DatabaseSession
from devperf_pipeline.services.relational.rows import LARGEST, USERS

MARKER = "made_by_devperf_for_measuring"
"""The empty collection that tells our database from one that only has the same name."""

PARAMETERS = ("journalCommitInterval", "wiredTigerConcurrentWriteTransactions", "syncdelay")


class MongodbSession(DatabaseSession[MongodbConnection]):
    """One visit to a server that speaks MongoDB's protocol. See `operation.Session`."""

    exceptions: tuple[type[Exception], ...] = (PyMongoError,)

    def __init__(self, service: Service) -> None:
        super().__init__(service, connect, named=f"database {OUR_NAME}", mark=f"hold our collection {MARKER}")

    def facts(self) -> Facts:
        """What truly runs there: many answer in the place of MongoDB, and claim a version of it."""
        with explained(self._service):
            built = self._own.client.admin.command("buildInfo")
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

    def preflight(self) -> Sequence[str]:
        """What would spoil a measurement; see `operation.Session`."""
        told = self._asked("connectionStatus").get("authInfo", {}).get("authenticatedUserRoles", [])
        connections = self._asked("serverStatus").get("connections", {})
        return [*of_server(self._asked("hello"), connections, told), *self._taken()]

    def operations(self) -> Sequence[Operation]:
        """The floor and the seven published operations."""
        return (
            Operation(name=FLOOR, title="ping", wire=_floor_wire, driver=_floor_driver),
            *(self._operation(recipe) for recipe in RECIPES),
        )

    def _make(self) -> None:
        with explained(self._service):
            self._own.ours.create_collection(MARKER)
            for collection, (_, rows) in COLLECTIONS.items():
                self._fill(collection, rows)

    def _drop(self) -> None:
        with explained(self._service):
            self._own.client.drop_database(OUR_NAME)

    def _found(self) -> bool | None:
        with explained(self._service):
            try:
                names = self._own.ours.list_collection_names()
            except ConnectionFailure:
                # It broke, and cleaning up must not depend on it: pymongo connects anew.
                names = self._own.ours.list_collection_names()
        return MARKER in names if names else None

    def _asked(self, command: str, value: Any = 1) -> dict[str, Any]:
        """What the server says of itself; nothing where it does not know the question, or may not tell us."""
        with suppress(OperationFailure):
            return self._own.client.admin.command(command, value)
        return {}

    def _fill(self, collection: str, rows: int) -> None:
        """Let a collection hold the documents 1 to `rows`, and no others."""
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
    """One user's calls through pymongo, as an application makes them."""
    connection.give_back()
    ours, ask, calls = connection.ours, recipe.ask, recipe.every_call(user, size)
    count = len(calls)

    def call(number: int) -> Answer:
        return ask(ours, calls[number % count])

    return Driver(
        call=call,
        check=recipe.check,
        verify=recipe.wrong,
        exceptions=(PyMongoError,),
        failure=failure,
        size=count if recipe.finite else None,
    )


def _floor_wire(connection: MongodbConnection, _user: int, _size: int) -> Wire:
    ping = wire_format.encode({"ping": 1})
    return Wire(
        sockets=(connection.socket,),
        calls=((Step(ping, wire_format.complete),),),
        check=wire_format.checker(0, wire_format.ID),
        verify=wire_format.verifier(lambda _: None),
    )


def _floor_driver(connection: MongodbConnection, _user: int, _size: int) -> Driver:
    connection.give_back()
    ours = connection.ours
    return Driver(
        call=lambda _: ours.command("ping"),
        check=lambda answer: Outcome.OK if answer.get("ok") == 1 else Outcome.WRONG,
        verify=wire_format.error_of,
        exceptions=(PyMongoError,),
        failure=failure,
    )
