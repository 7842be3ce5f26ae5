"""How is a reference API started, wired to the services that run?"""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from devperf_pipeline.local.ports import LOOPBACK, free_port
from devperf_pipeline.local.server_setup import Site
from devperf_pipeline.local.servers import reference_api_build
from devperf_pipeline.model import Service

READY_S = 30.0
AGGREGATION = "aggregation"
"""The setting that says how `/health/all` asks: one after the other (sequential) or all at once (concurrent)."""


def start(site: Site) -> Service:
    """
    Build the API once, and start it with those of its dependencies that run.

    Raises:
        ServiceMissing: its project is not there, or it cannot be built.
        ServiceUnreachable: it does not answer.

    """
    reference_api_build.build(site)
    port = free_port()
    said = {name: site.service.settings[name] for name in (AGGREGATION,) if name in site.service.settings}
    config = site.write(
        "config.json", json.dumps({"host": LOOPBACK, "port": port, **said, **dependencies(site.running)})
    )
    command = reference_api_build.command(site.service.kind, site.folders.cache, site.programs)
    process = site.start([*command, config], folder=site.folders.reference_apis / site.service.kind)
    site.wait(lambda: _is_healthy(port), [process], seconds=READY_S)
    return Service(
        name=site.service.name,
        kind=site.service.kind,
        addresses=site.running_at(port).addresses,
        settings=site.service.settings,
        needs=site.service.needs,
    )


def dependencies(running: Mapping[str, Service]) -> dict[str, Any]:
    """What the API's file says: where the running ones are, and how to enter them; those that do not run are left out."""
    by_kind = {service.kind: service for service in reversed(list(running.values()))}
    told: dict[str, Any] = {}
    for section, kind in (("postgres", "postgresql"), ("mysql", "mysql"), ("rabbitmq", "rabbitmq")):
        found = by_kind.get(kind)
        if found and found.credentials:
            told[section] = {
                "host": found.address.host,
                "port": found.address.port,
                "user": found.credentials.username,
                "password": found.credentials.password,
                ("vhost" if kind == "rabbitmq" else "database"): found.database,
            }
    mongodb = by_kind.get("mongodb")
    if mongodb and mongodb.credentials:
        login = f"{quote(mongodb.credentials.username, '')}:{quote(mongodb.credentials.password, '')}"
        told["mongodb"] = {"uri": f"mongodb://{login}@{mongodb.address}/?directConnection=true"}
    vault = by_kind.get("vault")
    if vault and vault.credentials:
        told["vault"] = {"address": f"http://{vault.address}", "token": vault.credentials.password}
    cache = by_kind.get("redis_cluster") or by_kind.get("redis")
    if cache and cache.credentials:
        told["redis"] = {
            "nodes": [str(address) for address in cache.addresses],
            "cluster": cache.kind == "redis_cluster",
            "password": cache.credentials.password,
        }
    return told


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except http.client.HTTPException:
        return False
    finally:
        connection.close()
