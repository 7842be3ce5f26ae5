"""
How is a private Vault started, unsealed, and given something to keep?

Not in development mode, which takes its token on the command line or in the environment: the same server with a
configuration file and storage in memory is initialised over its API, so the token is nowhere but in our record.
"""

import json
from typing import Any

from devperf_pipeline.errors import ServiceUnreachable
from devperf_pipeline.local.build import Progress, Recipe
from devperf_pipeline.local.server import Server
from devperf_pipeline.local.server_setup import LOOPBACK, Site, ask_http, free_port
from devperf_pipeline.model import Credentials, Service

TOKEN_USERNAME = "token"  # noqa: S105 - a name, not a token
"""Vault's tokens have no user name."""

UNSEAL_KEY = "unseal-key"
"""The file in the server's folder that unseals it."""

SECRET_MOUNT = "secret"  # noqa: S105 - a path, not a secret

SAMPLES = ("postgres", "mysql", "mongodb", "redis", "rabbitmq")
"""Whose secrets the reference APIs are asked for. These hold nothing that opens anything."""


def start(site: Site) -> Service:
    """
    Start the server, initialise and unseal it, mount KV version 2 at `secret/` and write sample secrets.

    Raises:
        ServiceUnreachable: it does not answer, or not as Vault does.

    """
    port, cluster = free_port(), free_port()
    settings = dict(site.service.settings)
    config = {
        "storage": _storage(site, str(settings.pop("storage", "inmem"))),
        "listener": {"tcp": {"address": f"{LOOPBACK}:{port}", "tls_disable": True}},
        "api_addr": f"http://{LOOPBACK}:{port}",
        "cluster_addr": f"http://{LOOPBACK}:{cluster}",
        # Locking memory needs a privilege, and there is nothing here worth hiding from a swap file.
        "disable_mlock": True,
        **settings,
    }
    path = site.write("vault.json", json.dumps(config))
    process = site.start([site.programs["vault"], "server", f"-config={path}"])
    site.wait(lambda: _asked(port, "GET", "/sys/seal-status")[0] == 200, [process])
    made = _do(site, port, "PUT", "/sys/init", {"secret_shares": 1, "secret_threshold": 1})
    token, key = made["root_token"], made["keys_base64"][0]
    site.write(UNSEAL_KEY, key)
    _do(site, port, "PUT", "/sys/unseal", {"key": key})
    # The unseal is answered before the server is active.
    site.wait(lambda: _asked(port, "GET", "/sys/health")[0] == 200, [process])
    _do(
        site,
        port,
        "POST",
        f"/sys/mounts/{SECRET_MOUNT}",
        {"type": "kv", "options": {"version": "2"}},
        token=token,
    )
    site.wait(lambda: _write_samples(port, token), [process])
    return site.running_at(port, credentials=Credentials(TOKEN_USERNAME, token))


def _storage(site: Site, kind: str) -> dict[str, Any]:
    if kind == "raft":
        return {"raft": {"path": str(site.make_folder("raft")), "node_id": "devperf"}}
    return {kind: {}}


def _write_samples(port: int, token: str) -> bool:
    """Whether all sample secrets could be written: a new mount takes a moment to become ready for version 2."""
    for name in SAMPLES:
        data = {"username": "sample", "password": "opens nothing", "database": "sample"}
        status, _ = _asked(port, "POST", f"/{SECRET_MOUNT}/data/{name}", {"data": data}, token)
        if status != 200:
            return False
    return True


def _do(site: Site, port: int, method: str, path: str, body: dict[str, Any], *, token: str = "") -> Any:
    """An answer that must be a success."""
    try:
        status, answer = _asked(port, method, path, body, token)
    except OSError as error:
        raise ServiceUnreachable(site.told(f"{method} {path} was not answered ({error})")) from error
    if status // 100 != 2:
        raise ServiceUnreachable(site.told(f"{method} {path} was answered with {status}"))
    return answer


def _asked(
    port: int, method: str, path: str, body: dict[str, Any] | None = None, token: str = ""
) -> tuple[int, Any]:
    """Status and decoded body."""
    return ask_http(port, method, f"/v1{path}", body, {"X-Vault-Token": token} if token else {})


SERVERS = {
    "vault": Server(
        start=start,
        programs=("vault",),
        # OpenBao is a Vault under another name.
        other_names=("bao",),
        recipe=Recipe(
            title="Vault",
            tools=("go",),
            project="servers/vault",
            lock="go.sum",
            sources=("servers/vault/go.*", "servers/vault/*.go"),
            arguments=lambda _, built: (
                *("build", "-v", "-mod=readonly", "-buildvcs=false", "-trimpath"),
                *("-tags", "minimal", "-ldflags", "-s -w", "-o", built / "vault", "."),
            ),
            made="vault",
            about="once, some minutes (15 on two busy cores), with low priority",
            progress=Progress(
                fetched="go: downloading", compiled="", pieces=("modules", "packages"), number=1_750
            ),
        ),
    )
}
