"""
The catalogue: which systems can be measured?

Adding a service is one module and one line here. Starting it ourselves is a matter of `stack/servers/`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from devperf_pipeline.model import Service
from devperf_pipeline.services.operation import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """
    One kind of system: how people call it, which module knows it, how Dagster draws it.
    """

    name: str
    title: str
    module: str
    role: str
    icon: str | None = None

    @property
    def open_session(self) -> Callable[[Service], Session]:
        """
        The module's way in. The driver is imported only when it is needed.
        """
        return import_module(f"devperf_pipeline.services.{self.module}").open_session


CATALOGUE: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="postgresql", title="PostgreSQL", module="postgresql", role="database", icon="postgres"),
        Kind(
            name="pgbouncer",
            title="PostgreSQL behind PgBouncer",
            module="postgresql",
            role="database",
            icon="postgres",
        ),
        Kind(name="mysql", title="MySQL", module="mysql", role="database", icon="mysql"),
        Kind(name="mongodb", title="MongoDB", module="mongodb", role="database", icon="mongodb"),
        Kind(name="redis", title="Redis, one node", module="redis", role="cache", icon="redis"),
        Kind(
            name="redis_cluster",
            title="Redis, three-node cluster",
            module="redis_cluster",
            role="cache",
            icon="redis",
        ),
        Kind(name="rabbitmq", title="RabbitMQ", module="rabbitmq", role="queue", icon="rabbitmq"),
        Kind(name="vault", title="Vault", module="vault", role="secrets", icon="vault"),
        Kind(name="fastapi", title="FastAPI, code-first", module="reference_api", role="api", icon="python"),
        Kind(
            name="fastapi_api_first",
            title="FastAPI, API-first",
            module="reference_api",
            role="api",
            icon="python",
        ),
        Kind(name="gin", title="Gin", module="reference_api", role="api", icon="go"),
        Kind(name="express", title="Express", module="reference_api", role="api", icon="javascript"),
        Kind(name="actix", title="Actix Web", module="reference_api", role="api", icon="rust"),
    )
}
