"""What does an administrator of a database see and do there, beside the session that is tested?"""

from typing import Any

import psycopg
import pymongo
import pymysql
from pymysql.cursors import Cursor

from devperf_pipeline.model import Service

Mongo = pymongo.MongoClient[dict[str, Any]]


def postgresql(service: Service) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection that commits each statement, directly or through PgBouncer."""
    assert service.credentials is not None
    return psycopg.connect(
        host=service.address.host,
        port=service.address.port,
        user=service.credentials.username,
        password=service.credentials.password,
        dbname=service.database,
        autocommit=True,
        prepare_threshold=None,
    )


def mysql(service: Service) -> "pymysql.Connection[Cursor]":
    """A connection that commits each statement."""
    assert service.credentials is not None
    return pymysql.connect(
        host=service.address.host,
        port=service.address.port,
        user=service.credentials.username,
        password=service.credentials.password.encode(),
        database=service.database,
        charset="utf8mb4",
        autocommit=True,
    )


def mongodb(service: Service) -> Mongo:
    """A client of that server alone."""
    assert service.credentials is not None
    return Mongo(
        service.address.host,
        service.address.port,
        username=service.credentials.username,
        password=service.credentials.password,
        directConnection=True,
    )


def ask(service: Service, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """What a relational database answers."""
    if service.kind == "mysql":
        with mysql(service) as connection, connection.cursor() as cursor:
            cursor.execute(query, arguments or None)
            return list(cursor.fetchall())
    with postgresql(service) as connection:
        answer = connection.execute(query.encode(), arguments or None)
        return answer.fetchall() if answer.description else []
