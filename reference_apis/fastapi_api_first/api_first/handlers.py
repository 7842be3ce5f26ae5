"""
What does each operation of the contract do?
"""

import asyncio
import json
import platform
from importlib.metadata import version
from time import perf_counter
from typing import Any

from reference_api.dependencies.dependency import NAMES, Dependency, DependencyUnavailable, ask
from reference_api.routes.asked import configured
from reference_api.routes.health import FRAMEWORK_VERSION, SERVER, milliseconds_since

from api_first.validation import Asked, Handler, NotFound

Json = dict[str, Any]

VALIDATOR = f"openapi-core {version('openapi-core')}"


async def get_root(asked: Asked) -> Json:
    """
    What is running here.
    """
    return {
        "name": "reference-api",
        "framework": "FastAPI",
        "version": FRAMEWORK_VERSION,
        "runtime": f"Python {platform.python_version()}",
        "server": f"{VALIDATOR}, {SERVER}",
        "aggregation": asked.request.app.state.aggregation,
    }


async def get_health(asked: Asked) -> Json:
    """
    Whether the API itself answers.
    """
    return {"status": "healthy"}


async def get_health_all(asked: Asked) -> Json:
    """
    Ask every configured dependency, one after the other or all at once, as configured.
    """
    dependencies: dict[str, Dependency] = asked.request.app.state.dependencies
    if asked.request.app.state.aggregation == "concurrent":
        answers = await asyncio.gather(*(_examine(dependencies.get(name)) for name in NAMES))
    else:
        answers = [await _examine(dependencies.get(name)) for name in NAMES]
    degraded = any(answer["status"] == "unhealthy" for answer in answers)
    return {
        "status": "degraded" if degraded else "healthy",
        "dependencies": dict(zip(NAMES, answers, strict=True)),
    }


async def get_health_of_dependency(asked: Asked) -> Json:
    """
    Ask one dependency.
    """
    name = asked.path["dependency"]
    if name not in NAMES:
        raise NotFound(f"no dependency is called {name}; there are {', '.join(NAMES)}")
    return await _health_of(configured(asked.request, name))


async def get_secret(asked: Asked) -> Json:
    """
    Read a service's secret from Vault.
    """
    vault, name = configured(asked.request, "vault"), asked.path["service_name"]
    found = await ask(vault, vault.read(name))
    if found is None:
        raise NotFound(f"Vault has no secret for {name}")
    data, newest = found
    return {"service": name, "data": data, "version": newest}


def query(name: str) -> Handler:
    """
    The handler that runs a small query on that database.
    """

    async def query_database(asked: Asked) -> Json:
        database = configured(asked.request, name)
        result = await ask(database, database.ask_example())
        return {"database": name, "query": database.query, "result": result}

    return query_database


async def get_cached(asked: Asked) -> Json:
    """
    Read a value from the cache.
    """
    redis, key = configured(asked.request, "redis"), asked.path["key"]
    value = await ask(redis, redis.get(key))
    if value is None:
        raise NotFound(f"the cache has no {key}")
    return {"key": key, "value": value}


async def set_cached(asked: Asked) -> Json:
    """
    Write a value into the cache.
    """
    redis, key = configured(asked.request, "redis"), asked.path["key"]
    ttl = asked.body.get("ttl")
    await ask(redis, redis.set(key, asked.body["value"], ttl))
    return {"key": key, "stored": True, "ttl": ttl}


async def delete_cached(asked: Asked) -> Json:
    """
    Remove a value from the cache.
    """
    redis, key = configured(asked.request, "redis"), asked.path["key"]
    return {"key": key, "deleted": await ask(redis, redis.delete(key))}


async def publish(asked: Asked) -> Json:
    """
    Publish a persistent message to a durable queue, and wait for the broker's confirmation.
    """
    rabbitmq, queue = configured(asked.request, "rabbitmq"), asked.path["queue"]
    await ask(rabbitmq, rabbitmq.publish(queue, json.dumps(asked.body["message"]).encode()))
    return {"queue": queue, "published": True}


async def delete_queue(asked: Asked) -> Json:
    """
    Remove a queue with everything in it.
    """
    rabbitmq, queue = configured(asked.request, "rabbitmq"), asked.path["queue"]
    return {"queue": queue, "messages": await ask(rabbitmq, rabbitmq.delete(queue))}


async def _examine(dependency: Dependency | None) -> Json:
    """
    The health of a dependency, whatever it is: absent and unhealthy are answers too.
    """
    if dependency is None:
        return {"status": "absent", "latency_ms": 0}
    begin = perf_counter()
    try:
        return await _health_of(dependency)
    except DependencyUnavailable as error:
        return {"status": "unhealthy", "latency_ms": milliseconds_since(begin), "error": error.error}


async def _health_of(dependency: Dependency) -> Json:
    begin = perf_counter()
    found = await ask(dependency, dependency.check())
    return {"status": "healthy", "latency_ms": milliseconds_since(begin), "version": found}


HANDLERS: dict[str, Handler] = {
    "get-root": get_root,
    "get-health": get_health,
    "get-health-all": get_health_all,
    "get-health-dependency": get_health_of_dependency,
    "get-examples-vault-secret": get_secret,
    "get-examples-database-postgres-query": query("postgres"),
    "get-examples-database-mysql-query": query("mysql"),
    "get-examples-database-mongodb-query": query("mongodb"),
    "get-examples-cache-key": get_cached,
    "post-examples-cache-key": set_cached,
    "delete-examples-cache-key": delete_cached,
    "post-examples-messaging-publish-queue": publish,
    "delete-examples-messaging-queue": delete_queue,
}
"""What handles each operation, by the `operationId` that the contract gives it."""
