"""How is a private RabbitMQ started, with its management API?"""

import base64
import secrets
import socket

from devperf_pipeline.local.server import Server
from devperf_pipeline.local.server_setup import LOOPBACK, USERNAME, Site, ask_http, free_port, setting
from devperf_pipeline.model import Service

VHOST = "/"


def start(site: Site) -> Service:
    """
    Start Erlang's port mapper and the broker. Addresses: AMQP, management API.

    Raises:
        ServiceUnreachable: one of the two does not answer.

    """
    amqp, management, distribution, mapper = (free_port() for _ in range(4))
    lines = [
        f"listeners.tcp.1 = {LOOPBACK}:{amqp}",
        f"management.tcp.ip = {LOOPBACK}",
        f"management.tcp.port = {management}",
        f"default_user = {USERNAME}",
        f"default_pass = {site.password}",
        f"default_vhost = {VHOST}",
        "log.file = false",
        "log.console = true",
        *(f"{name} = {_word(value)}" for name, value in site.service.settings.items()),
    ]
    cookie = site.write(".erlang.cookie", secrets.token_hex(16))
    cookie.chmod(0o400)
    # The broker would start a port mapper of its own, which stays behind when it ends. Ours is recorded.
    # It must not start one even when ours is gone, which happens when everything is stopped during its start.
    extra = {"ERL_EPMD_PORT": str(mapper), "ERL_EPMD_ADDRESS": LOOPBACK, "ERL_FLAGS": "-start_epmd false"}
    helper = site.start(
        [site.programs["epmd"], "-port", str(mapper), "-address", LOOPBACK], main=False, extra=extra
    )
    site.wait(lambda: _listens(mapper), [helper])
    process = site.start(
        [site.programs["rabbitmq-server"]],
        # Asked to end, it sleeps six seconds in its management plugin; its data is thrown away anyhow.
        grace_s=1.0,
        extra={
            **extra,
            "RABBITMQ_NODENAME": f"devperf-{amqp}@localhost",
            "RABBITMQ_CONFIG_FILE": str(site.write("rabbitmq.conf", "\n".join(lines) + "\n")),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(site.write("enabled_plugins", "[rabbitmq_management].\n")),
            # A file that is not there: the machine's own settings must not leak in.
            "RABBITMQ_CONF_ENV_FILE": str(site.folder / "none.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(site.folder / "none.config"),
            "RABBITMQ_MNESIA_BASE": str(site.make_folder("mnesia")),
            "RABBITMQ_LOG_BASE": str(site.make_folder("log")),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # Schedulers that spin while idle would take the core from the client that measures. It is also what
            # the start script says by default (+sbwt none), written here so that no version changes it unseen.
            "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "none",
            # The start script then becomes the broker, instead of waiting beside it: one process, one id.
            "detached": "true",
        },
    )
    site.wait(lambda: _speaks_amqp(amqp), [helper, process])
    site.wait(lambda: _management_works(management, site.password), [helper, process])
    return site.running_at(amqp, management, database=VHOST)


def _listens(port: int) -> bool:
    with socket.create_connection((LOOPBACK, port), timeout=2):
        return True


def _speaks_amqp(port: int) -> bool:
    """Whether the protocol header is answered with a method frame on channel 0 (Connection.Start)."""
    with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(3) == b"\x01\x00\x00"


def _management_works(port: int, password: str) -> bool:
    """Whether our user may read the vhosts: then accounts are loaded and the API is up."""
    token = base64.b64encode(f"{USERNAME}:{password}".encode()).decode()
    status, vhosts = ask_http(port, "GET", "/api/vhosts", headers={"Authorization": f"Basic {token}"})
    return status == 200 and any(vhost.get("name") == VHOST for vhost in vhosts)


def _word(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else setting(value)


SERVERS = {
    "rabbitmq": Server(
        start=start,
        programs=("rabbitmq-server", "epmd", "erl"),
        apt="rabbitmq-server",
        brew="rabbitmq",
    )
}
