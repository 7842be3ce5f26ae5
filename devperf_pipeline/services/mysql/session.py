"""
How is MySQL measured, or what speaks its protocol in its place?

pymysql connects, authenticates, seeds and verifies; the engine then uses the same socket with prepared bytes.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pymysql

from devperf_pipeline.model import Facts, OwnOperation, Service
from devperf_pipeline.services.database.own_operations import Trial, first_answer, learn
from devperf_pipeline.services.database.session import DatabaseSession
from devperf_pipeline.services.database.workload import SELECT_BY_KEY
from devperf_pipeline.services.mysql import own_operations, preflight
from devperf_pipeline.services.mysql.cleanup import OwnDatabase
from devperf_pipeline.services.mysql.connection import MysqlConnection, connect, explained
from devperf_pipeline.services.mysql.workload import operations
from devperf_pipeline.services.operation import FirstAnswer, Operation, own_name

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


def open_session(service: Service) -> "MysqlSession":
    """A session with a service of kind `mysql`; raises a `ServiceError`."""
    return MysqlSession(service, connect)


class MysqlSession(DatabaseSession[MysqlConnection]):
    """A session with a server that speaks MySQL's protocol. See `operation.Session`."""

    exceptions: tuple[type[Exception], ...] = (pymysql.Error,)

    @property
    def _space(self) -> OwnDatabase:
        return OwnDatabase(own_name(self._service), self._rows)

    def facts(self) -> Facts:
        """What truly runs there: MariaDB answers in the place of MySQL, and is named so."""
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

    def preflight(self) -> Sequence[str]:
        connected = int(self._rows("SHOW GLOBAL STATUS LIKE 'Threads_connected'")[0][1])
        grants = [row[0] for row in self._rows("SHOW GRANTS")]
        variables = dict(self._rows(preflight.ASKED))
        return [*preflight.of_server(variables, connected, grants, self._space.name), *self._space.taken()]

    def operations(self) -> Sequence[Operation]:
        return operations(self._space.name, self._space.fill)

    def own_operation(self, own: OwnOperation) -> Operation:
        learnt = learn(own, self._trying)
        return learnt.operation(
            wire=partial(own_operations.wire, learnt),
            driver=partial(own_operations.driver, learnt),
            connect=self._connect_writing if own.writes else self._connect_reading,
        )

    def first_answer(self, own: OwnOperation) -> FirstAnswer:
        return first_answer(own, self._trying)

    def tool_scripts(self) -> Mapping[str, str]:
        """The statement that sysbench asks for, in our database. See `operation.Session`."""
        [text] = SELECT_BY_KEY.texts(self._space.name)
        return {SELECT_BY_KEY.name: text.replace("%s", "?")}

    def _trying(self, own: OwnOperation, writes: bool) -> AbstractContextManager[Trial]:
        return own_operations.trying(self._service, own, writes)

    def _connect_reading(self) -> MysqlConnection:
        return own_operations.connect_own(self._service, writes=False)

    def _connect_writing(self) -> MysqlConnection:
        return own_operations.connect_own(self._service, writes=True)

    def _rows(self, query: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if not self._own.driver.open:
            self._reconnect()
        with explained(self._service), self._own.driver.cursor() as cursor:
            cursor.execute(query, arguments or None)
            return list(cursor.fetchall())
