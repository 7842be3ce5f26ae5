"""
The catalogue: which systems can be measured?

Adding a service is one module and one line here. Starting it ourselves is a matter of `stack/servers/`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module

from devperf_pipeline.model import ROUTED, Service, Tool, is_routed
from devperf_pipeline.services.operation import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """
    One kind of system: how people call it, which module knows it, how Dagster draws it.

    `load_tested` kinds have an operation that is driven with many users in one window; `tools` can measure it, too.
    """

    name: str
    title: str
    module: str
    role: str
    icon: str | None = None
    load_tested: bool = False
    tools: tuple[Tool, ...] = ()

    @property
    def open_session(self) -> Callable[[Service], Session]:
        """The module's way in. The driver is imported only when it is needed."""
        return import_module(f"devperf_pipeline.services.{self.module}.session").open_session


def _api(name: str, title: str, icon: str | None = None, *, module: str = "reference_api") -> Kind:
    return Kind(
        name=name,
        title=title,
        module=module,
        role="api",
        icon=icon,
        load_tested=True,
        tools=("ab", "wrk", "h2load"),
    )


CATALOGUE: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="postgresql",
            title="PostgreSQL",
            module="postgresql",
            role="database",
            icon="postgres",
            load_tested=True,
            tools=("pgbench",),
        ),
        Kind(
            name="pgbouncer",
            title="PostgreSQL behind PgBouncer",
            module="postgresql",
            role="database",
            icon="postgres",
            tools=("pgbench",),
        ),
        Kind(name="mysql", title="MySQL", module="mysql", role="database", icon="mysql", tools=("sysbench",)),
        Kind(name="mongodb", title="MongoDB", module="mongodb", role="database", icon="mongodb"),
        Kind(
            name="redis",
            title="Redis, one node",
            module="redis",
            role="cache",
            icon="redis",
            load_tested=True,
            tools=("redis-benchmark",),
        ),
        Kind(
            name="redis_cluster",
            title="Redis, three-node cluster",
            module="redis_cluster",
            role="cache",
            icon="redis",
            tools=("redis-benchmark",),
        ),
        Kind(
            name="rabbitmq",
            title="RabbitMQ",
            module="rabbitmq",
            role="queue",
            icon="rabbitmq",
            load_tested=True,
        ),
        Kind(name="vault", title="Vault", module="vault", role="secrets", icon="vault"),
        _api("fastapi", "FastAPI, code-first", "python"),
        _api("fastapi_api_first", "FastAPI, API-first", "python"),
        _api("gin", "Gin", "go"),
        _api("express", "Express", "javascript"),
        _api("actix", "Actix Web", "rust"),
        _api(ROUTED, "Your API", module="api"),
    )
}


def kind_of(service: str) -> Kind | None:
    """
    The kind of a service, which its name says; None for what is in no catalogue, such as a companion of a stack.

    A stack may have several APIs of its own, and each is called by its own name.
    """
    if is_routed(service) and service != ROUTED:
        return replace(CATALOGUE[ROUTED], title=f"API {service.removeprefix(f'{ROUTED}_')}")
    return CATALOGUE.get(service)


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
