"""How is a private MariaDB started, in the place of MySQL?"""

import socket

from devperf_pipeline.local.server import Server
from devperf_pipeline.local.server_setup import LOOPBACK, USERNAME, Site, free_port, setting
from devperf_pipeline.model import Service

DATABASE = "app"  # what applications use; the objects of a baseline have a name of their own


def start(site: Site) -> Service:
    """
    Make a new data folder, and start a server whose only user is ours.

    Raises:
        ServiceMissing: it cannot be set up.
        ServiceUnreachable: it does not answer.

    """
    data = site.make_folder("data")
    site.run(
        [
            site.programs["mariadb-install-db"],
            # First of all, or the machine's own configuration leaks in.
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ]
    )
    statements = [f"create database {DATABASE};"]
    for host in ("localhost", LOOPBACK):
        statements.append(f"create user '{USERNAME}'@'{host}' identified by '{site.password}';")
        statements.append(f"grant all privileges on *.* to '{USERNAME}'@'{host}' with grant option;")
    # The new data folder comes with a root that has no password.
    statements.append("delete from mysql.global_priv where user not in ('devperf', 'mariadb.sys');")
    statements.append("flush privileges;")
    first = site.write("first.sql", "\n".join(statements) + "\n")
    port = free_port()
    process = site.start(
        [
            site.programs["mariadbd"],
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={site.folder / 'mysql.sock'}",
            f"--pid-file={site.folder / 'mysql.pid'}",
            f"--bind-address={LOOPBACK}",
            f"--port={port}",
            f"--init-file={first}",
            *(
                f"--{name.replace('_', '-')}={setting(value)}"
                for name, value in site.service.settings.items()
            ),
        ]
    )
    site.wait(lambda: _greets(port), [process])
    first.unlink()
    return site.running_at(port, database=DATABASE)


def _greets(port: int) -> bool:
    """Whether the server greets with protocol version 10, as it does once it has read its first statements."""
    with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
        greeting = connection.recv(5)
        return len(greeting) == 5 and greeting[4] == 10


SERVERS = {
    "mysql": Server(
        start=start, programs=("mariadbd", "mariadb-install-db"), apt="mariadb-server", brew="mariadb"
    )
}
