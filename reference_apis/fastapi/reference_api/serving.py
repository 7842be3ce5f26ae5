"""
How is an application served?
"""

import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from reference_api.configuration import Configuration


def serve(create: Callable[[Configuration], FastAPI], arguments: list[str], usage: str) -> None:
    """
    Serve the API described by one configuration file until a signal ends it.
    """
    if len(arguments) != 1:
        sys.exit(f"usage: {usage}")
    configuration = Configuration.read(Path(arguments[0]))
    uvicorn.run(
        create(configuration),
        host=configuration.host,
        port=configuration.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
