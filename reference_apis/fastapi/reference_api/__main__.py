"""
How is the API started?

    python -m reference_api CONFIG.json
"""

import sys
from pathlib import Path

import uvicorn

from reference_api.app import create_app
from reference_api.configuration import Configuration


def main(arguments: list[str]) -> None:
    """
    Serve the API described by one configuration file until a signal ends it.
    """
    if len(arguments) != 1:
        sys.exit("usage: python -m reference_api CONFIG.json")
    configuration = Configuration.read(Path(arguments[0]))
    uvicorn.run(
        create_app(configuration),
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


if __name__ == "__main__":
    main(sys.argv[1:])
