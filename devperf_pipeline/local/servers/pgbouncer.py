"""How is a private PgBouncer started in front of our PostgreSQL?"""

from devperf_pipeline.errors import ServiceMissing
from devperf_pipeline.local.server import Server
from devperf_pipeline.local.server_setup import LOOPBACK, USERNAME, Site, free_port, setting
from devperf_pipeline.local.servers import postgresql
from devperf_pipeline.model import Service


def start(site: Site) -> Service:
    """
    Point every database name at our PostgreSQL, and start.

    Raises:
        ServiceMissing: the PostgreSQL behind it does not run.
        ServiceUnreachable: it does not answer.

    """
    behind = site.needed("postgresql")
    if behind is None or behind.credentials is None:
        raise ServiceMissing(
            f"{site.service.name} was not started: the PostgreSQL that it needs does not run."
        )
    port = free_port()
    # The plain password: PgBouncer needs it to log in to the server by SCRAM, a hash would do for clients only.
    users = site.write("users.txt", f'"{USERNAME}" "{behind.credentials.password}"\n')
    lines = [
        "[databases]",
        f"* = host={LOOPBACK} port={behind.address.port}",
        "[pgbouncer]",
        f"listen_addr = {LOOPBACK}",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = scram-sha-256",
        f"auth_file = {users}",
        f"admin_users = {USERNAME}",
        # Drivers ask for it, and PgBouncer refuses what it does not know.
        "ignore_startup_parameters = extra_float_digits",
        *(f"{name} = {setting(value)}" for name, value in site.service.settings.items()),
    ]
    process = site.start([site.programs["pgbouncer"], site.write("pgbouncer.ini", "\n".join(lines) + "\n")])
    site.wait(lambda: postgresql.answers(port), [process])
    return site.running_at(port, credentials=behind.credentials, database=behind.database)


SERVERS = {"pgbouncer": Server(start=start, programs=("pgbouncer",), apt="pgbouncer", brew="pgbouncer")}
