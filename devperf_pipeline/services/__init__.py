"""
The catalogue: which systems can be measured?

Adding a service is one folder and one line here. Starting it ourselves is a matter of `local/servers/`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module

from devperf_pipeline.model import ROUTED, Facts, Service, Tool, kind_named
from devperf_pipeline.services.operation import Session


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of system: how people call it, what it is for, how Dagster draws it.

    Where a stack has several, each is called `short` (or `title`) with its own name: "Redis sessions".
    `tools` can measure it, too; `load_tested` kinds have a sustained operation; its folder is `folder`, or its name.
    """

    name: str
    title: str
    role: str
    icon: str | None = None
    tools: tuple[Tool, ...] = ()
    load_tested: bool = False
    folder: str = ""
    short: str = ""

    @property
    def open_session(self) -> Callable[[Service], Session]:
        """The way in. The driver is imported only when it is needed."""
        return import_module(f"devperf_pipeline.services.{self.folder or self.name}.session").open_session


_api = partial(Kind, role="api", tools=("ab", "wrk", "h2load"), load_tested=True, folder="reference_api")

CATALOGUE: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("postgresql", "PostgreSQL", "database", "postgres", ("pgbench",), load_tested=True),
        Kind(
            "pgbouncer",
            "PostgreSQL behind PgBouncer",
            "database",
            "postgres",
            ("pgbench",),
            folder="postgresql",
            short="PgBouncer",
        ),
        Kind("mysql", "MySQL", "database", "mysql", ("sysbench",)),
        Kind("mongodb", "MongoDB", "database", "mongodb"),
        Kind(
            "redis",
            "Redis, one node",
            "cache",
            "redis",
            ("redis-benchmark",),
            load_tested=True,
            short="Redis",
        ),
        Kind(
            "redis_cluster",
            "Redis, three-node cluster",
            "cache",
            "redis",
            ("redis-benchmark",),
            short="Redis cluster",
        ),
        Kind("rabbitmq", "RabbitMQ", "queue", "rabbitmq", load_tested=True),
        Kind("vault", "Vault", "secrets", "vault"),
        _api("fastapi", "FastAPI, code-first", icon="python", short="FastAPI"),
        _api("fastapi_api_first", "FastAPI, API-first", icon="python", short="FastAPI API-first"),
        _api("gin", "Gin", icon="go"),
        _api("express", "Express", icon="javascript"),
        _api("actix", "Actix Web", icon="rust"),
        _api("typescript", "TypeScript, API-first", icon="javascript", short="TypeScript"),
        _api(ROUTED, "Your API", folder="api", short="API"),
    )
}


def kind_of(service: str) -> Kind | None:
    """
    The kind of a service, which its name says; None for what is in no catalogue, such as a companion of a stack.

    Of several of a kind each has a title of its own.
    """
    name = kind_named(service, CATALOGUE)
    if name is None or name == service:
        return CATALOGUE.get(service)
    kind = CATALOGUE[name]
    return replace(kind, title=f"{kind.short or kind.title} {service.removeprefix(f'{name}_')}")


def place_of(service: str) -> tuple[int, str]:
    """Where a service stands among others: in the catalogue's order, unknown ones last."""
    kind = kind_of(service)
    return (list(CATALOGUE).index(kind.name) if kind else len(CATALOGUE), service)


def title_of(service: str) -> str:
    """How people call a service: the catalogue's title, or its name where nobody knows its kind."""
    kind = kind_of(service)
    return kind.title if kind else service


def role_of(service: str) -> str:
    """What a service is for ("api", "database"); empty where nobody knows its kind."""
    kind = kind_of(service)
    return kind.role if kind else ""


def as_reached(service: Service, facts: Facts) -> Facts:
    """What a service says of itself, and how we reach it: figures of another way there say something else."""
    address = next(iter(service.addresses), None)
    if address is None or (address.tls is None and not address.is_unix):
        return facts
    way = {"tls": str(address.tls)} if address.tls else {"connections": "by a unix socket"}
    return facts.with_settings(way)
