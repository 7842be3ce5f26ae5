import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.local.lifecycle import down, up
from devperf_pipeline.local.server_setup import free_port
from devperf_pipeline.model import Address, Header, Service, Stack, Tls
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import FLOOR, Session
from devperf_pipeline.services.postgresql.connection import driver_to
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.private_folders import stack_folder
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline_tests.administrators import ask, mysql, postgresql
from devperf_pipeline_tests.certificates import Authority, Signed
from devperf_pipeline_tests.services.calls import RIGHT, by_driver, by_engine, named
from devperf_pipeline_tests.services.sessions import prepared_session, running
from devperf_pipeline_tests.services.wrong_endpoints import web_server
from devperf_pipeline_tests.tls_servers import api, certificates, for_servers, mongodb, tls_front, vault

pytestmark = pytest.mark.servers

PATIENCE_S = 10.0

INSISTS = "expected a server without TLS, found one that asks for it"
OFFERS_NONE = "expected TLS, found a server that answers without it. Remove services.here.tls"

WHERE = "services.here.tls (shop.toml, line 7)"

KINDS = ("postgresql", "pgbouncer", "mysql", "redis", "rabbitmq", "vault", "mongodb", "api")
DIRECT = KINDS[3:]
"""The kinds that encrypt from the first byte on."""

CONSOLES = {"postgresql": "app", "pgbouncer": "pgbouncer"}

ASKED = {
    "postgresql": "select-by-key",
    "pgbouncer": "select-by-key",
    "mysql": "select-by-key",
    "redis": "get-hit",
    "rabbitmq": "publish-1kb",
    "vault": "kv-read",
    "mongodb": "find-one",
    "api": "route-orders",
}

STACK = """
name = "tls"
managed = true

[services.postgresql]
kind = "postgresql"
settings = {{ listen_addresses = "127.0.0.1,::1", ssl = "on", ssl_cert_file = "{crt}", ssl_key_file = "{key}", ssl_ca_file = "{ca}" }}

[services.pgbouncer]
kind = "pgbouncer"
needs = ["postgresql"]
settings = {{ client_tls_sslmode = "allow", client_tls_cert_file = "{crt}", client_tls_key_file = "{key}" }}

[services.mysql]
kind = "mysql"
settings = {{ ssl_cert = "{crt}", ssl_key = "{key}", ssl_ca = "{ca}" }}

[services.redis]
kind = "redis"
settings = {{ bind = "127.0.0.1 ::1", unixsocket = "redis.sock", tls-port = {redis}, tls-cert-file = "{crt}", tls-key-file = "{key}", tls-ca-cert-file = "{ca}", tls-auth-clients = "optional" }}

[services.rabbitmq]
kind = "rabbitmq"

[services.rabbitmq.settings]
"listeners.ssl.1" = "127.0.0.1:{amqps}"
"ssl_options.cacertfile" = "{ca}"
"ssl_options.certfile" = "{crt}"
"ssl_options.keyfile" = "{key}"
"management.ssl.ip" = "127.0.0.1"
"management.ssl.port" = {management}
"management.ssl.cacertfile" = "{ca}"
"management.ssl.certfile" = "{crt}"
"management.ssl.keyfile" = "{key}"
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """The running stack, the ports where some of its services encrypt, and who signs what."""

    folders: Folders
    stack: Stack
    ports: dict[str, tuple[int, ...]]
    others: dict[str, Service | None]
    vault: Address | None
    authority: Authority
    other: Authority
    shown: Signed
    expired: Signed

    def plain(self, kind: str) -> Service:
        """The service as it is reached without TLS."""
        if kind not in self.others:
            return running(self.stack, kind)
        service = self.others[kind]
        return service or pytest.skip(f"there is no {kind} on this machine")

    def encrypted(self, kind: str, tls: Tls | None = None) -> Service:
        """The service as it is reached with TLS; by default as it should be. The API gets its token."""
        service = self.plain(kind)
        tls = tls or Tls(where=WHERE, ca=self.authority.ca)
        ports = self.ports.get(kind) or tuple(each.port for each in service.addresses)
        addresses = tuple(Address("127.0.0.1", port, tls) for port in ports)
        headers = {"Authorization": Header("Bearer ", "s3cret-token")} if kind == "api" else {}
        return replace(service, addresses=addresses, headers=headers)

    @contextmanager
    def showing_expired(self, kind: str) -> Iterator[Service]:
        """The service, while the certificate that it shows has expired."""
        service = self.encrypted(kind)
        if kind in DIRECT:
            # Whoever stands before them can encrypt in their place.
            with tls_front(self.plain(kind).address, self.expired) as front:
                first = replace(front, tls=service.address.tls)
                yield replace(service, addresses=(first, *service.addresses[1:]))
            return
        right = self.shown.certificate.read_bytes(), self.shown.key.read_bytes()
        try:
            self._show(kind, self.expired.certificate.read_bytes(), self.expired.key.read_bytes())
            yield service
        finally:
            self._show(kind, *right)

    def _show(self, kind: str, certificate: bytes, key: bytes) -> None:
        self.shown.certificate.write_bytes(certificate)
        self.shown.key.write_bytes(key)
        self._reload(kind)

    def _reload(self, kind: str) -> None:
        if kind == "pgbouncer":
            ask(replace(self.plain(kind), database="pgbouncer"), "RELOAD")
        else:
            ask(self.plain(kind), {"postgresql": "select pg_reload_conf()", "mysql": "flush ssl"}[kind])

    @contextmanager
    def changed(self, kind: str, *, encrypts: Literal["no", "only"]) -> Iterator[None]:
        """Has a database offer no TLS meanwhile, or insist on it."""
        administrator = administrator_of(self.encrypted(kind))
        with closing(administrator):
            if kind == "mysql":
                set_global = "set global require_secure_transport = {}"
                administrator.cursor().execute(set_global.format("on"))
                yield
                administrator.cursor().execute(set_global.format("off"))
                return
            name, then, reload = {
                ("postgresql", "no"): ("data/postgresql.conf", "ssl = off", "select pg_reload_conf()"),
                ("postgresql", "only"): (
                    "data/pg_hba.conf",
                    "hostnossl all all all reject",
                    "select pg_reload_conf()",
                ),
                ("pgbouncer", "no"): ("pgbouncer.ini", "client_tls_sslmode = disable", "RELOAD"),
                ("pgbouncer", "only"): ("pgbouncer.ini", "client_tls_sslmode = require", "RELOAD"),
            }[kind, encrypts]
            path = stack_folder("tls", self.folders) / kind / name
            text = path.read_text()
            try:
                path.write_text(f"{then}\n{text}" if name.endswith("hba.conf") else f"{text}\n{then}\n")
                administrator.execute(reload)
                yield
            finally:
                path.write_text(text)
                administrator.execute(reload)


def administrator_of(service: Service) -> Any:
    """A connection that lasts whatever becomes of new ones."""
    return (
        mysql(service)
        if service.kind == "mysql"
        else postgresql(replace(service, database=CONSOLES[service.kind]))
    )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Every server that can encrypt, started once."""
    root = Folders(tmp_path_factory.mktemp("tls"))
    with certificates() as folder:
        authority, other = Authority(folder, "authority"), Authority(folder, "other")
        shown = for_servers(authority, "server")
        ports = {"redis": (free_port(),), "rabbitmq": (free_port(), free_port())}
        text = STACK.format(
            crt=shown.certificate,
            key=shown.key,
            ca=authority.ca,
            redis=ports["redis"][0],
            amqps=ports["rabbitmq"][0],
            management=ports["rabbitmq"][1],
        )
        root.stacks.mkdir(parents=True)
        (root.stacks / "tls.toml").write_text(text)
        described = load_stack("tls", root, CATALOGUE)
        with ExitStack() as standing:
            standing.callback(down, "tls", root, say=lambda _: None)
            stack = up(described, root, say=lambda _: None)
            of_vault = standing.enter_context(vault(folder, shown))
            yield Servers(
                folders=root,
                stack=stack,
                ports=ports,
                others={
                    "vault": of_vault[0] if of_vault else None,
                    "mongodb": standing.enter_context(mongodb(folder, shown)),
                    "api": standing.enter_context(api(folder, shown)),
                },
                vault=of_vault[1] if of_vault else None,
                authority=authority,
                other=other,
                shown=shown,
                expired=for_servers(authority, "expired", days=-1),
            )


def refused(service: Service, because: str) -> str:
    """What is said of a service that lets us in no more; servers take a moment to read their settings again."""
    ends, said = time.monotonic() + PATIENCE_S, "it lets us in"
    while because not in said and time.monotonic() < ends:
        try:
            opened(service).close()
        except ServiceRefused as error:
            said = str(error)
    assert because in said
    return said


def opened(service: Service) -> Session:
    return CATALOGUE[service.kind].open_session(service)


def measured(service: Service, name: str) -> None:
    """Make calls of the floor and of an operation by the driver and, where Python has the socket, by the engine."""
    with prepared_session(opened(service)) as session:
        for operation in (named(session, FLOOR), named(session, name)):
            with closing(session.connect()) as connection, closing(session.connect()) as another:
                assert {RIGHT} == set(by_driver(operation, [connection]))
                if operation.wire is not None:
                    assert {RIGHT} == set(by_engine(operation, [connection, another]))


class TestEncrypted:
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_measured(self, servers: Servers, kind: str) -> None:
        """Over TLS the driver's calls and, where Python has the socket, the engine's are answered right."""
        measured(servers.encrypted(kind), ASKED[kind])


SOCKETS = {
    "postgresql": "postgresql/.s.PGSQL.{port}",
    "mysql": "mysql/mysql.sock",
    "redis": "redis/redis-data/redis.sock",
}
"""Where the servers of a managed stack have their unix sockets."""


class TestOtherWays:
    @pytest.mark.parametrize("kind", SOCKETS)
    def test_a_unix_socket(self, servers: Servers, kind: str) -> None:
        """Through a unix socket both instruments measure."""
        service = servers.plain(kind)
        path = stack_folder("tls", servers.folders) / SOCKETS[kind].format(port=service.address.port)
        measured(replace(service, addresses=(Address(str(path)),)), ASKED[kind])

    @pytest.mark.parametrize("kind", ["postgresql", "redis"])
    @pytest.mark.parametrize("encrypts", [False, True])
    def test_ipv6(self, servers: Servers, kind: str, *, encrypts: bool) -> None:
        """At an address of IPv6 both instruments measure, with TLS and without."""
        service = servers.encrypted(kind) if encrypts else servers.plain(kind)
        measured(replace(service, addresses=(replace(service.address, host="::1"),)), ASKED[kind])


class TestMutual:
    @pytest.mark.parametrize("kind", ["redis", "rabbitmq", "api"])
    def test_a_server_that_asks_for_a_certificate(self, servers: Servers, kind: str) -> None:
        """It lets in who shows one that it trusts, and of the others is told which key is missing or wrong."""
        ours, other = servers.authority.sign("me"), servers.other.sign("stranger")
        plain = servers.plain(kind).address if kind != "api" else Address("127.0.0.1", 1)
        with tls_front(plain, servers.shown, asks_for=servers.authority.ca) as front:

            def shows(signed: Signed | None) -> Service:
                shown = (signed.certificate, signed.key) if signed else (None, None)
                tls = Tls(where=WHERE, ca=servers.authority.ca, certificate=shown[0], key=shown[1])
                service = servers.encrypted(kind, tls)
                return replace(service, addresses=(replace(front, tls=tls), *service.addresses[1:]))

            if kind != "api":
                opened(shows(ours)).close()
            said = refused(shows(None), "expected it to let us in without a client certificate")
            assert f"Add certificate and key to {WHERE}." in said
            said = refused(shows(other), f"expected it to accept {other.certificate}")
            assert f"Correct certificate and key of {WHERE}." in said

    def test_libpq(self, servers: Servers) -> None:
        """PostgreSQL sees the certificate that libpq shows."""
        ours = servers.authority.sign("me")
        tls = Tls(where=WHERE, ca=servers.authority.ca, certificate=ours.certificate, key=ours.key)
        with closing(driver_to(servers.encrypted("postgresql", tls), "app")) as driver:
            shown = driver.execute("select client_dn from pg_stat_ssl where pid = pg_backend_pid()")
            assert [("/CN=me",)] == shown.fetchall()


class TestRefused:
    @pytest.mark.parametrize("kind", KINDS)
    def test_another_authority(self, servers: Servers, kind: str) -> None:
        """A certificate that somebody else signed is refused, with the key to change."""
        expected = f"expected a certificate signed by somebody whom {servers.other.ca} names"
        said = refused(servers.encrypted(kind, Tls(where=WHERE, ca=servers.other.ca)), expected)
        assert said.endswith(f"as ca in {WHERE}.")

    @pytest.mark.parametrize("kind", KINDS)
    def test_nobody_whom_this_system_trusts(self, servers: Servers, kind: str) -> None:
        """Without a CA of the stack file's those that the system trusts have to have signed it."""
        refused(servers.encrypted(kind, Tls(where=WHERE)), "signed by somebody whom this system trusts")

    @pytest.mark.parametrize("kind", KINDS)
    def test_another_name(self, servers: Servers, kind: str) -> None:
        """A certificate for others is refused, with the key to change."""
        tls = Tls(where=WHERE, ca=servers.authority.ca, server_name="db.example")
        expected = "expected a certificate for db.example, found one for others"
        said = refused(servers.encrypted(kind, tls), expected)
        assert f"server_name in {WHERE}." in said

    @pytest.mark.parametrize("kind", KINDS)
    def test_expired(self, servers: Servers, kind: str) -> None:
        """A certificate that is not valid any more is refused, with the key to change."""
        with servers.showing_expired(kind) as service:
            said = refused(service, "certificate that is valid today, found: certificate has expired")
        assert f"verify = false in {WHERE}." in said

    @pytest.mark.parametrize("kind", KINDS)
    def test_unchecked(self, servers: Servers, kind: str) -> None:
        """Where nothing is to be checked, it is let pass."""
        tls = Tls(where=WHERE, verify=False, server_name="db.example")
        opened(servers.encrypted(kind, tls)).close()

    @pytest.mark.parametrize("kind", DIRECT)
    def test_plain_at_a_port_of_tls(self, servers: Servers, kind: str) -> None:
        """A server that speaks TLS alone is told as that, with the key to add."""
        service = servers.encrypted(kind)
        plain = replace(service, addresses=tuple(replace(each, tls=None) for each in service.addresses))
        said = refused(plain, INSISTS)
        assert f"[services.{kind}]: tls =" in said

    @pytest.mark.parametrize("kind", ["redis", "rabbitmq", "vault", "api"])
    def test_tls_at_a_plain_port(self, servers: Servers, kind: str) -> None:
        """A server that does not encrypt is told as that, with the key to remove."""
        service, tls = servers.plain(kind), Tls(where=WHERE, ca=servers.authority.ca)
        with web_server() as web:
            plain = {"vault": (servers.vault,), "api": (web,)}.get(kind, service.addresses)
            addresses = tuple(replace(each, tls=tls) for each in plain if each)
            refused(replace(service, addresses=addresses), OFFERS_NONE)

    @pytest.mark.parametrize("kind", ["postgresql", "pgbouncer"])
    def test_a_server_that_does_not_encrypt(self, servers: Servers, kind: str) -> None:
        """A database that offers no TLS is told as that, with the key to remove."""
        with servers.changed(kind, encrypts="no"):
            refused(servers.encrypted(kind), OFFERS_NONE)

    @pytest.mark.parametrize("kind", ["postgresql", "pgbouncer", "mysql"])
    def test_a_server_that_insists(self, servers: Servers, kind: str) -> None:
        """A database that lets nobody in without TLS is told as that, with the key to add."""
        with servers.changed(kind, encrypts="only"):
            refused(servers.plain(kind), INSISTS)
