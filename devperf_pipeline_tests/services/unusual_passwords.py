"""How do tests log in to a running service with a password full of special characters?"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pymongo
import pymysql
from psycopg import sql
from redis import Redis

from devperf_pipeline.model import Credentials, Service
from devperf_pipeline.services.rabbitmq.management import Management

UNUSUAL = " p'w \"%@:/?&$`\\n\\ #;=äλ素\u00a0e\u0301[x] "
"""Quotes, spaces (at both ends too), signs, backslashes, a space and an accent that SCRAM writes otherwise."""

USER = "devperf_unusual"


@contextmanager
def _postgresql(service: Service) -> Iterator[Credentials]:
    who = service.credentials
    assert who is not None
    with psycopg.connect(
        host=service.address.host,
        port=service.address.port,
        user=who.username,
        password=who.password,
        dbname=service.database,
        autocommit=True,
    ) as con:
        user, database = sql.Identifier(USER), sql.Identifier(service.database or "")
        con.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(user, UNUSUAL))
        try:
            con.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, user))
            yield Credentials(USER, UNUSUAL)
        finally:
            # PgBouncer keeps connections of the user for the next one of that name.
            con.execute(
                "SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity WHERE usename = %s", [USER]
            )
            con.execute(sql.SQL("DROP OWNED BY {}").format(user))
            con.execute(sql.SQL("DROP ROLE {}").format(user))


@contextmanager
def _pgbouncer(service: Service) -> Iterator[Credentials]:
    """A user of the server behind it whom PgBouncer's own file knows as well."""
    who = service.credentials
    assert who is not None
    with (
        _postgresql(service) as unusual,
        psycopg.connect(
            host=service.address.host,
            port=service.address.port,
            user=who.username,
            password=who.password,
            dbname="pgbouncer",
            autocommit=True,
            cursor_factory=psycopg.ClientCursor,
        ) as console,
    ):
        asked = console.execute("SHOW CONFIG").fetchall()
        users = Path({row[0]: row[1] for row in asked}["auth_file"])
        before = users.read_text()
        quoted = unusual.password.replace('"', '""')
        users.write_text(f'{before}"{USER}" "{quoted}"\n')
        try:
            console.execute("RELOAD")
            yield unusual
        finally:
            users.write_text(before)
            console.execute("RELOAD")


@contextmanager
def _mysql(service: Service) -> Iterator[Credentials]:
    who = service.credentials
    assert who is not None
    with (
        pymysql.connect(
            host=service.address.host,
            port=service.address.port,
            user=who.username,
            password=who.password,
            autocommit=True,
        ) as con,
        con.cursor() as cursor,
    ):
        cursor.execute(f"CREATE USER {USER}@'%%' IDENTIFIED BY %s", [UNUSUAL])
        try:
            cursor.execute(f"GRANT ALL ON *.* TO {USER}@'%'")
            yield Credentials(USER, UNUSUAL)
        finally:
            cursor.execute(f"DROP USER {USER}@'%'")


@contextmanager
def _mongodb(service: Service) -> Iterator[Credentials]:
    who = service.credentials
    assert who is not None
    with pymongo.MongoClient[dict[str, Any]](
        service.address.host, service.address.port, username=who.username, password=who.password
    ) as admin:
        admin.admin.command("createUser", USER, pwd=UNUSUAL, roles=["root"])
        try:
            yield Credentials(USER, UNUSUAL)
        finally:
            admin.admin.command("dropUser", USER)


@contextmanager
def _redis(service: Service) -> Iterator[Credentials]:
    """The password of every node, which each user without a name of his own needs: applications know no other."""
    who = service.credentials
    assert who is not None
    with ExitStack() as nodes:
        for address in service.addresses:
            node = nodes.enter_context(
                closing(Redis(host=address.host, port=address.port, password=who.password))
            )
            node.ping()
            nodes.callback(node.config_set, "requirepass", who.password)
            node.config_set("requirepass", UNUSUAL)
        yield Credentials("default", UNUSUAL)


@contextmanager
def _rabbitmq(service: Service) -> Iterator[Credentials]:
    management = Management(service)
    management.do("PUT", f"/users/{USER}", {"password": UNUSUAL, "tags": "administrator"})
    try:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        management.do("PUT", f"/permissions/{quote(service.database or '/', '')}/{USER}", everything)
        yield Credentials(USER, UNUSUAL)
    finally:
        management.do("DELETE", f"/users/{USER}")


WAYS: Mapping[str, Callable[[Service], Any]] = {
    "postgresql": _postgresql,
    "pgbouncer": _pgbouncer,
    "mysql": _mysql,
    "mongodb": _mongodb,
    "redis": _redis,
    "redis_cluster": _redis,
    "rabbitmq": _rabbitmq,
}


@contextmanager
def with_unusual_password(service: Service) -> Iterator[Service]:
    """The service, with credentials whose password is the unusual one."""
    with WAYS[service.kind](service) as credentials:
        yield replace(service, credentials=credentials)
