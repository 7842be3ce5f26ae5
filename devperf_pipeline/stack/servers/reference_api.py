"""
How is a reference API started, wired to the services that run?
"""

import http.client
import json
import os
from pathlib import Path
from typing import Any

from devperf_pipeline.errors import ServiceMissing
from devperf_pipeline.model import Service
from devperf_pipeline.stack.ports import LOOPBACK, free_port
from devperf_pipeline.stack.site import Site

PROGRAMS = ("uv",)
MODULE = "reference_api"
READY_S = 30.0
SYNC_S = 300
"""How long its environment may take to be made; the first time its packages are fetched."""


def start(site: Site) -> Service:
    """
    Make the API's environment once, and start it with those of its dependencies that run.

    Raises:
        ServiceMissing: its project or its environment is not there.
        ServiceUnreachable: it does not answer.

    """
    project = site.folders.reference_apis / site.service.kind
    if not (project / "uv.lock").is_file():
        raise ServiceMissing(
            f"{site.service.name} was not started: expected its project at {project}, found no uv.lock there. "
            "Restore that folder from the repository."
        )
    environment = site.folders.cache / site.service.kind
    _sync(site, project, environment)
    port = free_port()
    config = site.write("config.json", json.dumps({"host": LOOPBACK, "port": port, **_dependencies(site)}))
    process = site.start([environment / "bin" / "python", "-m", MODULE, config], folder=project)
    site.wait(lambda: _is_healthy(port), [process], seconds=READY_S)
    return Service(
        name=site.service.name,
        kind=site.service.kind,
        addresses=site.running_at(port).addresses,
        settings=site.service.settings,
        needs=site.service.needs,
    )


def sources(project: Path) -> list[Path]:
    """
    The files that make the API what it is: its code and what its environment is locked to.
    """
    return sorted([*project.glob("uv.lock"), *project.glob(f"{MODULE}/**/*.py")])


def _sync(site: Site, project: Path, environment: Path) -> None:
    """
    Bring the environment to what the lock file says; a moment if it is there already.
    """
    # All of the caller's environment: uv finds its cache, its proxy and its index there.
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    site.run(
        [site.programs["uv"], "sync", "--frozen", "--no-dev", "--project", project],
        folder=project,
        environment={**inherited, "UV_PROJECT_ENVIRONMENT": str(environment)},
        seconds=SYNC_S,
    )


def _dependencies(site: Site) -> dict[str, Any]:
    """
    Where the running ones are, and how to enter them; those that do not run are left out.
    """
    told: dict[str, Any] = {}
    for section, kind in (("postgres", "postgresql"), ("mysql", "mysql"), ("rabbitmq", "rabbitmq")):
        found = site.needed(kind)
        if found and found.credentials:
            told[section] = {
                "host": found.address.host,
                "port": found.address.port,
                "user": found.credentials.username,
                "password": found.credentials.password,
                ("vhost" if kind == "rabbitmq" else "database"): found.database,
            }
    vault = site.needed("vault")
    if vault and vault.credentials:
        told["vault"] = {"address": f"http://{vault.address}", "token": vault.credentials.password}
    cache = site.needed("redis_cluster") or site.needed("redis")
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
