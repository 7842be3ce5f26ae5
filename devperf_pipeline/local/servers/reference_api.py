"""How is a reference API built, once, and started, wired to the services that run?"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devperf_pipeline.local.build import Recipe, build
from devperf_pipeline.local.server import Server
from devperf_pipeline.local.server_setup import LOOPBACK, Site, ask_http, free_port
from devperf_pipeline.model import Service

AGGREGATION = "aggregation"
"""The setting that says how `/health/all` asks: one after the other (sequential) or all at once (concurrent)."""


def start(site: Site) -> Service:
    """
    Build the API once, and start it with those of its dependencies that run.

    Raises:
        ServiceMissing: its project is not there, or it cannot be built.
        ServiceUnreachable: it does not answer.

    """
    kind = site.service.kind
    recipe = RECIPES[kind]
    made = build(recipe, {name: site.programs[name] for name in recipe.tools}, site.say, site.stopping)
    port = free_port()
    said = {name: site.service.settings[name] for name in (AGGREGATION,) if name in site.service.settings}
    config = site.write(
        "config.json", json.dumps({"host": LOOPBACK, "port": port, **said, **dependencies(site.running)})
    )
    process = site.start(
        [*command(kind, made, site.programs), config], folder=site.folders.reference_apis / kind
    )
    site.wait(lambda: ask_http(port, "GET", "/health")[0] == 200, [process])
    # Nobody logs in to it.
    return replace(site.running_at(port), credentials=None)


def command(kind: str, made: Path, programs: Mapping[str, Path]) -> list[str | Path]:
    """What starts the API whose program was built there; the path of its configuration is to follow."""
    return COMMANDS[kind](made, programs)


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


def _python(kind: str, *more: str) -> Recipe:
    return Recipe(
        title=kind,
        tools=("uv",),
        project=f"reference_apis/{kind}",
        lock="uv.lock",
        sources=(f"reference_apis/{kind}/uv.lock", f"reference_apis/{kind}/*/**/*.py", *more),
        # Not editable: it would refer to the sources of the clone that it was built from.
        arguments=lambda project, _: ("sync", "--frozen", "--no-dev", "--no-editable", "--project", project),
        environment=lambda built: {"UV_PROJECT_ENVIRONMENT": str(built)},
        made="bin/python",
        keeps_all=True,
        about="once, a moment",
    )


RECIPES: Mapping[str, Recipe] = {
    "fastapi": _python("fastapi"),
    # It is made of the contract, and of the other's clients.
    "fastapi_api_first": _python(
        "fastapi_api_first", "reference_apis/openapi.yaml", "reference_apis/fastapi/reference_api/**/*.py"
    ),
    "gin": Recipe(
        title="gin",
        tools=("go",),
        project="reference_apis/gin",
        lock="go.sum",
        sources=("reference_apis/gin/go.*", "reference_apis/gin/**/*.go"),
        arguments=lambda _, built: ("build", "-ldflags=-s -w", "-o", built / "reference-api", "."),
        # The toolchain that is here, or none: never one that is fetched in passing.
        environment=lambda _: {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"},
        made="reference-api",
        about="once, about a minute",
    ),
    "express": Recipe(
        title="express",
        tools=("npm", "node"),
        project="reference_apis/express",
        lock="package-lock.json",
        sources=("reference_apis/express/package*.json", "reference_apis/express/src/**/*.js"),
        # Packages are looked for beside the source, so the source goes to where they are.
        copied=("package.json", "package-lock.json", "src"),
        arguments=lambda *_: ("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"),
        made="src/main.js",
        keeps_all=True,
        about="once, a moment",
    ),
    "actix": Recipe(
        title="actix",
        # Some crates have parts in C.
        tools=("cargo", "cc"),
        project="reference_apis/actix",
        lock="Cargo.lock",
        sources=(
            "reference_apis/actix/Cargo.*",
            "reference_apis/actix/build.rs",
            "reference_apis/actix/src/**/*.rs",
        ),
        arguments=lambda *_: ("build", "--release", "--locked"),
        environment=lambda built: {"CARGO_TARGET_DIR": str(built)},
        made="release/reference-api",
        about="once, several minutes: some 400 crates are compiled",
    ),
}

COMMANDS: Mapping[str, Callable[[Path, Mapping[str, Path]], list[str | Path]]] = {
    "fastapi": lambda made, _: [made, "-m", "reference_api"],
    "fastapi_api_first": lambda made, _: [made, "-m", "api_first"],
    "gin": lambda made, _: [made],
    "express": lambda made, programs: [programs["node"], made],
    "actix": lambda made, _: [made],
}

SERVERS = {
    kind: Server(start=start, programs=recipe.tools, recipe=recipe, built_by_start=True)
    for kind, recipe in RECIPES.items()
}
