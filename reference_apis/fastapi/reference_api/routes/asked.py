"""
Which dependency does a route need?
"""

from typing import Annotated

from fastapi import Depends, Request

from reference_api.dependencies.dependency import Dependency, DependencyUnavailable
from reference_api.dependencies.mongodb import MongoDB
from reference_api.dependencies.mysql import MySQL
from reference_api.dependencies.postgres import Postgres
from reference_api.dependencies.rabbitmq import RabbitMQ
from reference_api.dependencies.redis import Redis
from reference_api.dependencies.vault import Vault


class Needs:
    """
    Give a route the dependency of that name; a 503 where it is not configured.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, request: Request) -> Dependency:
        return configured(request, self._name)


def configured(request: Request, name: str) -> Dependency:
    """
    The dependency of that name.

    Raises:
        DependencyUnavailable: it is not configured.

    """
    try:
        return request.app.state.dependencies[name]
    except KeyError as error:
        raise DependencyUnavailable("absent", f"{name} is not configured") from error


NeedsVault = Annotated[Vault, Depends(Needs("vault"))]
NeedsPostgres = Annotated[Postgres, Depends(Needs("postgres"))]
NeedsMySQL = Annotated[MySQL, Depends(Needs("mysql"))]
NeedsMongoDB = Annotated[MongoDB, Depends(Needs("mongodb"))]
NeedsRedis = Annotated[Redis, Depends(Needs("redis"))]
NeedsRabbitMQ = Annotated[RabbitMQ, Depends(Needs("rabbitmq"))]
