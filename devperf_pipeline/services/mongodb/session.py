"""
How is MongoDB measured, or what speaks its protocol in its place?

pymongo connects, authenticates, seeds and verifies; the engine then uses the same socket with prepared messages.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Facts, Service
from devperf_pipeline.services.database.session import DatabaseSession
from devperf_pipeline.services.mongodb import protocol
from devperf_pipeline.services.mongodb.cleanup import OwnDatabase
from devperf_pipeline.services.mongodb.connection import MongodbConnection, connect, explained
from devperf_pipeline.services.mongodb.preflight import of_server
from devperf_pipeline.services.mongodb.workload import operations
from devperf_pipeline.services.operation import Operation
from devperf_pipeline.services.probe import probe, show

PARAMETERS = ("journalCommitInterval", "wiredTigerConcurrentWriteTransactions", "syncdelay")


def open_session(service: Service) -> "MongodbSession":
    """A session with a service of kind `mongodb`; raises a `ServiceError`."""
    received = probe(
        service,
        service.address,
        send=protocol.encode({"hello": 1}, "admin"),
        enough=protocol.complete,
    )
    try:
        protocol.document(received)
    except ValueError as error:
        raise WrongAnswer(
            f"{service.name}: expected a server that speaks MongoDB's protocol at {service.address}, found "
            f"{show(received)}. Correct the address in the stack file."
        ) from error
    return MongodbSession(service, connect)


class MongodbSession(DatabaseSession[MongodbConnection]):
    """A session with a server that speaks MongoDB's protocol. See `operation.Session`."""

    exceptions: tuple[type[Exception], ...] = (PyMongoError,)

    @property
    def _space(self) -> OwnDatabase:
        return OwnDatabase(self._service, self._own)

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
        told = self._asked("connectionStatus").get("authInfo", {}).get("authenticatedUserRoles", [])
        connections = self._asked("serverStatus").get("connections", {})
        ours = self._own.database
        return [*of_server(self._asked("hello"), connections, told, ours), *self._space.taken()]

    def operations(self) -> Sequence[Operation]:
        return operations(self._fill)

    def _fill(self, collection: str, rows: int) -> None:
        # Asked by name each time: after `renew` our own connection is another.
        self._space.fill(collection, rows)

    def _asked(self, command: str, value: Any = 1) -> dict[str, Any]:
        """What the server says of itself; nothing where it does not know the question, or may not tell us."""
        with suppress(OperationFailure):
            return self._own.client.admin.command(command, value)
        return {}


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
