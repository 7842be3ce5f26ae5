"""
How is PostgreSQL measured, directly and through PgBouncer?

psycopg connects, authenticates, seeds and verifies; the engine then uses the same socket with prepared bytes.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg

from devperf_pipeline.model import Facts, OwnOperation, Service
from devperf_pipeline.services.database.own_operations import Trial, first_answer, learn
from devperf_pipeline.services.database.session import DatabaseSession
from devperf_pipeline.services.operation import DEADLINE_S, OUR_NAME, FirstAnswer, Operation
from devperf_pipeline.services.postgresql import own_operations, preflight
from devperf_pipeline.services.postgresql.cleanup import OwnSchema
from devperf_pipeline.services.postgresql.connection import (
    BoundedConnection,
    PostgresConnection,
    connect,
    driver_to,
    explained,
)
from devperf_pipeline.services.postgresql.workload import RECIPES, Workload

SETTINGS = (
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "maintenance_work_mem",
    "wal_buffers",
    "synchronous_commit",
    "fsync",
    "full_page_writes",
    "wal_level",
    "wal_sync_method",
    "max_connections",
    "jit",
    "ssl",
)
POOL_SETTINGS = ("pool_mode", "default_pool_size", "max_client_conn", "server_reset_query", "server_lifetime")

LIBPQ = "libpq keeps an encrypted socket to itself: over TLS the driver is the instrument, with one user"

NO_POOLER = "no PgBouncer that can be seen"
"""What a server stands behind that was taken for a pooled one."""


def open_session(service: Service) -> "PostgresSession":
    """A session with a service of kind `postgresql` or `pgbouncer`; raises a `ServiceError`."""
    return PostgresSession(service, connect)


class PostgresSession(DatabaseSession[PostgresConnection]):
    """A session with a PostgreSQL server, directly or through PgBouncer. See `operation.Session`."""

    exceptions: tuple[type[Exception], ...] = (psycopg.Error,)

    @property
    def _space(self) -> OwnSchema:
        return OwnSchema(
            name=f"{OUR_NAME}_{self._service.name}", rows=self._rows, change=self._change, run=self._run
        )

    @property
    def _pooled(self) -> bool:
        return self._service.kind == "pgbouncer"

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
        return [f"schema {self._space.name}"]

    def preflight(self) -> Sequence[str]:
        [[told]] = self._rows(preflight.ASKED)
        facts = self.facts()
        elsewhere = facts.product.endswith(NO_POOLER)
        return [
            *preflight.of_server(told),
            *self._space.taken(),
            *preflight.of_pool(facts.settings),
            *(["PgBouncer does not answer here: this is PostgreSQL itself, or another pooler"] * elsewhere),
        ]

    def operations(self) -> Sequence[Operation]:
        found = Workload(self._space.quoted, self._pooled).operations(self._space.fill)
        if self._service.address.tls is None:
            return found
        self.unmeasurable["All of it by the engine, and so with several users"] = LIBPQ
        return [*map(self._as_reached, found)]

    def _as_reached(self, operation: Operation) -> Operation:
        """The operation as far as it can be measured: without the engine, where libpq keeps the socket."""
        encrypted = self._service.address.tls is not None
        return replace(operation, wire=None, users=(), sustained=False) if encrypted else operation

    def own_operation(self, own: OwnOperation) -> Operation:
        learnt = learn(own, self._trying)
        operation = learnt.operation(
            wire=partial(own_operations.wire, learnt, pooled=self._pooled),
            driver=partial(own_operations.driver, learnt, pooled=self._pooled),
            connect=self._connect_writing if own.writes else self._connect_reading,
        )
        return self._as_reached(operation)

    def first_answer(self, own: OwnOperation) -> FirstAnswer:
        return first_answer(own, self._trying)

    def tool_scripts(self) -> Mapping[str, str]:
        """The published operations as scripts of pgbench, in our schema. See `operation.Session`."""
        return {recipe.name: recipe.script(self._space.quoted) for recipe in RECIPES}

    def _trying(self, own: OwnOperation, writes: bool) -> AbstractContextManager[Trial]:
        return own_operations.trying(self._service, own, writes)

    def _connect_reading(self) -> PostgresConnection:
        return own_operations.connect_own(self._service, writes=False)

    def _connect_writing(self) -> PostgresConnection:
        return own_operations.connect_own(self._service, writes=True)

    def _live(self) -> BoundedConnection:
        """Our own connection, made again if it broke or was left in the middle of something."""
        own = self._own.driver
        if own.closed or own.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._reconnect()
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
