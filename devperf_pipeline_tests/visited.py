"""
How do tests measure a stack that others started: a running Redis, and a MySQL that is not there?
"""

import socket

import dagster as dg

from devperf_pipeline.definitions import defs
from devperf_pipeline.defs import keys
from devperf_pipeline.defs.running import run_baseline
from devperf_pipeline.model import Service
from devperf_pipeline.stack.folders import Folders

REDIS = """
name = "visited"
managed = false

[services.redis]
kind = "redis"
address = "{address}"
username = "{username}"
password = {{ env = "TEST_REDIS_PASSWORD" }}
"""

ABSENT = """
[services.mysql]
kind = "mysql"
address = "127.0.0.1:{port}"
username = "nobody"
password = {{ env = "{variable}" }}
"""


def describe(folders: Folders, redis: Service, *, absent: str | None = None) -> str:
    """
    Write the stack down. `absent` is the variable that holds the password of the MySQL, if there shall be one.

    Returns:
        The password of Redis, which belongs into TEST_REDIS_PASSWORD.

    """
    assert redis.credentials
    text = REDIS.format(address=redis.address, username=redis.credentials.username)
    if absent:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            text += ABSENT.format(port=closed.getsockname()[1], variable=absent)
    folders.stacks.mkdir()
    (folders.stacks / "visited.toml").write_text(text, encoding="utf-8")
    return redis.credentials.password


def measure(folders: Folders, seconds: float) -> None:
    """
    One baseline of it.
    """
    run_baseline(
        defs.resolve_job_def("baseline"),
        folders,
        stack="visited",
        profile="quick",
        services=(),
        seconds=seconds,
    )


def measure_redis_alone(folders: Folders, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """
    Its samples, as somebody materialises them in the UI.
    """
    return defs.resolve_job_def("baseline").execute_in_process(
        instance=instance,
        asset_selection=[keys.samples("redis")],
        run_config={
            "ops": {"measure": {"config": {"stack": "visited", "seconds": 0.01}}},
            "resources": {"project": {"config": {"root": str(folders.root)}}},
        },
    )
