"""How do tests describe and measure a stack that others started: a Redis, an absent MySQL, a password in a Vault?"""

import socket
from pathlib import Path

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from devperf_pipeline.defs.command_line import run_baseline
from devperf_pipeline.defs.graph import graph
from devperf_pipeline.defs.keys import Keys
from devperf_pipeline.model import Service, Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.vault.client import VaultApi
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

REDIS = """
name = "external"
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


VAULTED = """
name = "external"
managed = false

[vault]
address = "{vault}"
token_file = "{token}"

[services.{kind}]
kind = "{kind}"
addresses = [{addresses}]
username = "{username}"
password = {{ vault = "secret/data/{path}", field = "password" }}
{database}
"""


def vaulted(folder: Path, service: Service, api: VaultApi, *, username: str, path: str) -> Stack:
    """The stack of one service, entered with the password that the Vault keeps under `path`, as its file describes it."""
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(api.token, encoding="utf-8")
    text = VAULTED.format(
        vault=api._service.address,
        token=folder / "token",
        kind=service.kind,
        addresses=", ".join(f'"{address}"' for address in service.addresses),
        username=username,
        path=path,
        database=f'database = "{service.database}"' if service.database else "",
    )
    (folder / "external.toml").write_text(text, encoding="utf-8")
    return load_stack(str(folder / "external.toml"), Folders(folder), CATALOGUE)


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
    (folders.stacks / "external.toml").write_text(text, encoding="utf-8")
    return redis.credentials.password


def external(folders: Folders) -> Stack:
    """The stack that was written down."""
    return load_stack("external", folders, CATALOGUE)


def keys(folders: Folders) -> Keys:
    """What its assets are called."""
    return Keys(external(folders))


def job(folders: Folders) -> dg.JobDefinition:
    """The job of its graph."""
    return graph(external(folders), folders).resolve_job_def(keys(folders).job)


def measure(folders: Folders, seconds: float) -> None:
    """One baseline of it."""
    run_baseline(folders, external(folders), profile="quick", services=(), seconds=seconds)


def measure_redis_alone(folders: Folders, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Its samples, as somebody materialises them in the UI."""
    return job(folders).execute_in_process(
        instance=instance,
        asset_selection=[keys(folders).made("samples", "redis")],
        run_config={"ops": {keys(folders).step: {"config": {"seconds": 0.01}}}},
    )


def stale(instance: dg.DagsterInstance, definitions: dg.Definitions) -> dict[dg.AssetKey, list[str]]:
    """What the UI would show as out of date, and why."""
    graph = definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return {
        key: [cause.reason for cause in resolver.get_stale_causes(key)]
        for key in graph.get_all_asset_keys()
        if resolver.get_status(key) is StaleStatus.STALE
    }
