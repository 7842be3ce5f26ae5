"""
Which routes say what is running, and how well?
"""

import asyncio
import platform
from importlib.metadata import version
from time import perf_counter

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from reference_api.answers import About, DependencyHealth, Health, NotFound, OverallHealth, Unavailable
from reference_api.dependencies.dependency import NAMES, Dependency, DependencyUnavailable, ask
from reference_api.routes.asked import configured

router = APIRouter()

FRAMEWORK_VERSION = version("fastapi")
SERVER = f"uvicorn {version('uvicorn')}, uvloop, httptools"


@router.get("/")
async def get_root(request: Request) -> About:
    """
    What is running here.
    """
    return About(
        name="reference-api",
        framework="FastAPI",
        version=FRAMEWORK_VERSION,
        runtime=f"Python {platform.python_version()}",
        server=SERVER,
        aggregation=request.app.state.aggregation,
    )


@router.get("/health")
async def get_health() -> Health:
    """
    Whether the API itself answers.
    """
    return Health()


@router.get("/health/all", response_model_exclude_none=True)
async def get_health_all(request: Request) -> OverallHealth:
    """
    Ask every configured dependency, one after the other or all at once, as configured.
    """
    dependencies: dict[str, Dependency] = request.app.state.dependencies
    if request.app.state.aggregation == "concurrent":
        answers = await asyncio.gather(*(examine(dependencies.get(name)) for name in NAMES))
    else:
        answers = [await examine(dependencies.get(name)) for name in NAMES]
    degraded = any(answer.status == "unhealthy" for answer in answers)
    return OverallHealth(
        status="degraded" if degraded else "healthy",
        dependencies=dict(zip(NAMES, answers, strict=True)),
    )


@router.get(
    "/health/{dependency}",
    response_model=DependencyHealth,
    response_model_exclude_none=True,
    responses={404: {"model": NotFound}, 503: {"model": Unavailable}},
)
async def get_health_of_dependency(request: Request, dependency: str) -> DependencyHealth | JSONResponse:
    """
    Ask one dependency.
    """
    if dependency not in NAMES:
        problem = NotFound(error=f"no dependency is called {dependency}; there are {', '.join(NAMES)}")
        return JSONResponse(problem.model_dump(), status_code=404)
    asked = configured(request, dependency)
    begin = perf_counter()
    found = await ask(asked, asked.check())
    return DependencyHealth(status="healthy", latency_ms=milliseconds_since(begin), version=found)


async def examine(dependency: Dependency | None) -> DependencyHealth:
    """
    The health of a dependency, whatever it is: absent and unhealthy are answers too.
    """
    if dependency is None:
        return DependencyHealth(status="absent", latency_ms=0)
    begin = perf_counter()
    try:
        found = await ask(dependency, dependency.check())
    except DependencyUnavailable as error:
        return DependencyHealth(status="unhealthy", latency_ms=milliseconds_since(begin), error=error.error)
    return DependencyHealth(status="healthy", latency_ms=milliseconds_since(begin), version=found)


def milliseconds_since(begin: float) -> float:
    """
    How long ago that was, to the microsecond.
    """
    return round((perf_counter() - begin) * 1_000, 3)
