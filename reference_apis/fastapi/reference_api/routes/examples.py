"""
Which routes use a dependency the way an application would?
"""

import json
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from reference_api.answers import (
    Cached,
    CacheDeleted,
    CacheStored,
    CacheValue,
    Message,
    NotFound,
    Published,
    QueryResult,
    QueueDeleted,
    Secret,
    Unavailable,
)
from reference_api.dependencies.dependency import ask
from reference_api.routes.asked import (
    NeedsMongoDB,
    NeedsMySQL,
    NeedsPostgres,
    NeedsRabbitMQ,
    NeedsRedis,
    NeedsVault,
)

router = APIRouter(prefix="/examples", responses={503: {"model": Unavailable}})

Name = Annotated[str, Path(pattern=r"^[a-zA-Z0-9_.:-]+$", max_length=200)]


@router.get("/vault/secret/{service_name}", response_model=Secret, responses={404: {"model": NotFound}})
async def get_secret(vault: NeedsVault, service_name: Name) -> Secret | JSONResponse:
    """
    Read a service's secret from Vault.
    """
    found = await ask(vault, vault.read(service_name))
    if found is None:
        return not_found(f"Vault has no secret for {service_name}")
    data, version = found
    return Secret(service=service_name, data=data, version=version)


@router.get("/database/postgres/query")
async def query_postgres(postgres: NeedsPostgres) -> QueryResult:
    """
    Run a small query on PostgreSQL.
    """
    result = await ask(postgres, postgres.ask_example())
    return QueryResult(database="postgres", query=postgres.query, result=result)


@router.get("/database/mysql/query")
async def query_mysql(mysql: NeedsMySQL) -> QueryResult:
    """
    Run a small query on MySQL.
    """
    result = await ask(mysql, mysql.ask_example())
    return QueryResult(database="mysql", query=mysql.query, result=result)


@router.get("/database/mongodb/query")
async def query_mongodb(mongodb: NeedsMongoDB) -> QueryResult:
    """
    Run a small query on MongoDB.
    """
    result = await ask(mongodb, mongodb.ask_example())
    return QueryResult(database="mongodb", query=mongodb.query, result=result)


@router.get("/cache/{key}", response_model=Cached, responses={404: {"model": NotFound}})
async def get_cached(redis: NeedsRedis, key: Name) -> Cached | JSONResponse:
    """
    Read a value from the cache.
    """
    value = await ask(redis, redis.get(key))
    return not_found(f"the cache has no {key}") if value is None else Cached(key=key, value=value)


@router.post("/cache/{key}")
async def set_cached(redis: NeedsRedis, key: Name, body: CacheValue) -> CacheStored:
    """
    Write a value into the cache.
    """
    await ask(redis, redis.set(key, body.value, body.ttl))
    return CacheStored(key=key, ttl=body.ttl)


@router.delete("/cache/{key}")
async def delete_cached(redis: NeedsRedis, key: Name) -> CacheDeleted:
    """
    Remove a value from the cache.
    """
    return CacheDeleted(key=key, deleted=await ask(redis, redis.delete(key)))


@router.post("/messaging/publish/{queue}")
async def publish(rabbitmq: NeedsRabbitMQ, queue: Name, body: Message) -> Published:
    """
    Publish a persistent message to a durable queue, and wait for the broker's confirmation.
    """
    await ask(rabbitmq, rabbitmq.publish(queue, json.dumps(body.message).encode()))
    return Published(queue=queue)


@router.delete("/messaging/queue/{queue}")
async def delete_queue(rabbitmq: NeedsRabbitMQ, queue: Name) -> QueueDeleted:
    """
    Remove a queue with everything in it.
    """
    return QueueDeleted(queue=queue, messages=await ask(rabbitmq, rabbitmq.delete(queue)))


def not_found(error: str) -> JSONResponse:
    """
    A 404 with its reason.
    """
    return JSONResponse(NotFound(error=error).model_dump(), status_code=404)
