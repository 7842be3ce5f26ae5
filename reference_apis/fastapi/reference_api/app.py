"""
How do routes and dependencies become one application?
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import Lifespan

from reference_api.answers import NotFound, Unavailable
from reference_api.configuration import Configuration
from reference_api.dependencies.dependency import NAMES, Dependency, DependencyUnavailable
from reference_api.dependencies.mongodb import MongoDB
from reference_api.dependencies.mysql import MySQL
from reference_api.dependencies.postgres import Postgres
from reference_api.dependencies.rabbitmq import RabbitMQ
from reference_api.dependencies.redis import Redis
from reference_api.dependencies.vault import Vault
from reference_api.routes import examples, health

KINDS = {kind.name: kind for kind in (Vault, Postgres, MySQL, MongoDB, Redis, RabbitMQ)}


def lifespan_of(configuration: Configuration) -> Lifespan[FastAPI]:
    """
    The life of an application: a client for every dependency that is configured, open as long as it runs.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configured = {name: settings for name in NAMES if (settings := getattr(configuration, name))}
        dependencies: dict[str, Dependency] = {}
        async with AsyncExitStack() as opened:
            for name, settings in configured.items():
                dependencies[name] = KINDS[name](settings)
                await dependencies[name].open()
                opened.push_async_callback(dependencies[name].close)
            app.state.dependencies = dependencies
            yield

    return lifespan


def create_app(configuration: Configuration) -> FastAPI:
    """
    The application, with its routes.
    """
    app = FastAPI(
        title="Reference API",
        version="1.0.0",
        lifespan=lifespan_of(configuration),
        # A redirect from /health/ to /health would be measured as an answer.
        redirect_slashes=False,
    )
    app.state.aggregation = configuration.aggregation
    app.include_router(health.router)
    app.include_router(examples.router)
    app.add_exception_handler(DependencyUnavailable, unavailable)
    app.add_exception_handler(404, no_such_route)
    return app


async def unavailable(request: Request, error: Exception) -> JSONResponse:
    """
    A dependency that does not answer is a 503 with its reason.
    """
    assert isinstance(error, DependencyUnavailable)
    return JSONResponse(Unavailable(reason=error.reason, error=error.error).model_dump(), status_code=503)


async def no_such_route(request: Request, error: Exception) -> JSONResponse:
    """
    A path that is not in the contract is a 404 in its words.
    """
    return JSONResponse(NotFound(error="there is no such route").model_dump(), status_code=404)
