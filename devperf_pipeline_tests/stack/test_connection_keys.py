from pathlib import Path

import pytest

from devperf_pipeline.errors import ConfigurationError, ServiceRefused
from devperf_pipeline.model import ROUTED, Address, Header, Service, Tls
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.connection_schema import REFERENCE_APIS
from devperf_pipeline.stack.credentials import with_credentials
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.secret import header_secrets
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline.stack.tls import context
from devperf_pipeline_tests.certificates import Authority

REDIS = """name = "home"
managed = false

[services.redis]
kind = "redis"
address = "127.0.0.1:6379"
"""

API = """name = "home"
managed = false

[services.api]
kind = "api"
address = "127.0.0.1:8080"
routes = ["/"]
"""


def loaded(folder: Path, text: str, name: str = "redis") -> Service:
    """The service of that name of a stack file of that text."""
    (folder / "it.toml").write_text(text)
    return load_stack(str(folder / "it.toml"), Folders(folder), CATALOGUE).service(name)


def complaint(folder: Path, text: str) -> str:
    """What is said of it, without the folder it lies in."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


class TestTls:
    def test_a_table(self, tmp_path: Path) -> None:
        """Its paths are seen from the stack file's folder, and each address has what it says."""
        said = (
            'tls = { ca = "ca.pem", certificate = "me.pem", key = "me.key", server_name = "cache.example" }\n'
        )
        tls = loaded(tmp_path, REDIS + said).address.tls
        assert tls == Tls(
            where=f"services.redis.tls ({tmp_path}/it.toml, line 7)",
            ca=tmp_path / "ca.pem",
            certificate=tmp_path / "me.pem",
            key=tmp_path / "me.key",
            server_name="cache.example",
        )

    @pytest.mark.parametrize(("said", "verifies"), [("true", True), ("{ verify = false }", False)])
    def test_without_files(self, tmp_path: Path, said: str, *, verifies: bool) -> None:
        """`true` checks against this system's authorities, and only a word of its own turns checking off."""
        tls = loaded(tmp_path, f"{REDIS}tls = {said}\n").address.tls
        assert tls is not None
        assert (None, verifies) == (tls.ca, tls.verify)

    def test_none(self, tmp_path: Path) -> None:
        """`false` says what no key says."""
        assert loaded(tmp_path, REDIS + "tls = false\n").address.tls is None

    def test_a_management_api_that_does_not_encrypt(self, tmp_path: Path) -> None:
        """Of RabbitMQ's two addresses the second may be without TLS."""
        text = (
            REDIS.replace("redis", "rabbitmq")
            .replace("address", "addresses")
            .replace('"127.0.0.1:6379"', '["127.0.0.1:5671", "127.0.0.1:15672"]')
        )
        amqp, management = loaded(tmp_path, text + "tls = { management = false }\n", "rabbitmq").addresses
        assert (True, False) == (amqp.tls is not None, management.tls is not None)

    @pytest.mark.parametrize(
        ("said", "because"),
        [
            ('"yes"', "expected true, or a table as"),
            ('{ cert = "x" }', "tls.cert: expected one of ca, certificate, key"),
            ('{ key = "x" }', "expected the key 'certificate' beside 'key', found none"),
            ('{ ca = "x", verify = false }', "expected either ca or verify = false, found both"),
            ("{ management = false }", "tls.management: expected ca, certificate"),
            ('{ verify = "no" }', "tls.verify: expected true or false, found 'no'"),
        ],
    )
    def test_a_mistake(self, tmp_path: Path, said: str, because: str) -> None:
        """It is refused with file, line and key."""
        found = complaint(tmp_path, f"{REDIS}tls = {said}\n")
        assert found.startswith("it.toml, line 7: services.redis.tls")
        assert because in found

    @pytest.mark.parametrize(
        ("content", "because"),
        [(None, "No such file or directory"), ("nothing of the kind", "NO_CERTIFICATE_OR_CRL_FOUND")],
    )
    def test_a_file_that_cannot_be_used(self, tmp_path: Path, content: str | None, because: str) -> None:
        """It costs this service alone, with the key and the path."""
        if content:
            (tmp_path / "ca.pem").write_text(content)
        tls = loaded(tmp_path, REDIS + 'tls = { ca = "ca.pem" }\n').address.tls
        assert tls is not None
        with pytest.raises(
            ServiceRefused, match=f"ca of services.redis.tls .*{tmp_path}/ca.pem, found: {because}"
        ):
            context(tls)

    def test_a_key_with_a_passphrase_is_not_asked_for(self, tmp_path: Path) -> None:
        """Nobody is asked at the terminal: the key is refused."""
        signed = Authority(tmp_path, "ca").sign("me", passphrase=b"secret")
        tls = Tls(where="here", ca=tmp_path / "ca.pem", certificate=signed.certificate, key=signed.key)
        with pytest.raises(ServiceRefused, match=r"without a passphrase, in .*me\.key"):
            context(tls)

    def test_a_file_that_was_written_again(self, tmp_path: Path) -> None:
        """A context is made once, and again when its files have changed."""
        tls = Tls(where="here", ca=Authority(tmp_path, "ca").ca)
        first = context(tls)
        assert first is context(tls)
        Authority(tmp_path, "ca")
        assert first is not context(tls)


class TestAddresses:
    @pytest.mark.parametrize("said", ["/run/redis.sock", "unix:/run/redis.sock"])
    def test_a_unix_socket(self, tmp_path: Path, said: str) -> None:
        """A path is the address of a unix socket."""
        address = loaded(tmp_path, REDIS.replace("127.0.0.1:6379", said)).address
        assert (True, "unix:/run/redis.sock") == (address.is_unix, str(address))

    @pytest.mark.parametrize(
        ("text", "because"),
        [
            (REDIS.replace("redis", "mongodb"), "Unix sockets: postgresql, pgbouncer, mysql, redis alone."),
            (REDIS.replace("redis", "postgresql"), "expected a socket called .s.PGSQL.<port>"),
            (REDIS + "tls = true\n", "services.redis.tls: expected no TLS on a unix socket"),
        ],
    )
    def test_a_socket_that_cannot_be(self, tmp_path: Path, text: str, because: str) -> None:
        """Kinds, names and keys that do not go with a unix socket are refused."""
        assert because in complaint(tmp_path, text.replace("127.0.0.1:6379", "/run/it.sock"))

    def test_ipv6(self, tmp_path: Path) -> None:
        """An address of IPv6 stands in brackets."""
        address = loaded(tmp_path, REDIS.replace("127.0.0.1:6379", "[::1]:6379")).address
        assert (Address("::1", 6379), "[::1]:6379") == (address, str(address))


class TestHeaders:
    def test_the_kinds_that_have_them(self) -> None:
        """Those, and no others, are asked by requests of HTTP that are ours."""
        assert {ROUTED, *REFERENCE_APIS} == {each.name for each in CATALOGUE.values() if each.role == "api"}

    def test_from_everywhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Text, a variable and a file give values; what comes before them is not part of the secret."""
        monkeypatch.setenv("SHOP_TOKEN", "s3cret-token")
        (tmp_path / "key").write_text("k3y-of-mine\n")
        service = loaded(
            tmp_path,
            API + 'headers = { Authorization = { env = "SHOP_TOKEN", prefix = "Bearer " }, '
            'X-Key = { file = "key" }, X-Tenant = "tenant-seven" }\n',
            "api",
        )
        assert {
            "Authorization": Header("Bearer ", "s3cret-token"),
            "X-Key": Header(),
            "X-Tenant": Header(value="tenant-seven"),
        } == service.headers
        [filled] = with_credentials(
            load_stack(str(tmp_path / "it.toml"), Folders(tmp_path), CATALOGUE)
        ).services
        assert {
            "Authorization": "Bearer s3cret-token",
            "X-Key": "k3y-of-mine",
            "X-Tenant": "tenant-seven",
        } == filled.sent
        assert {"s3cret-token", "k3y-of-mine", "tenant-seven"} == set(header_secrets(filled).values())
        assert "s3cret" not in repr(filled)

    def test_a_word_of_a_text_is_sought_too(self) -> None:
        """Of a scheme and a token in one text, the token alone is a secret as well."""
        service = Service(name="api", kind="api", headers={"Authorization": Header(value="Bearer abcdef")})
        assert {"Bearer abcdef", "abcdef"} == set(header_secrets(service).values())

    @pytest.mark.parametrize(
        ("said", "because"),
        [
            ('{ Authorization = "a\\nX: y" }', "headers.Authorization: expected printable ASCII on one line"),
            ('{ Authorization = { env = "HOSTILE" } }', "found a line break, or another character"),
            ('{ Authorization = { env = "NOT_SET_ANYWHERE" } }', "expected the environment variable"),
            ('{ "X Y" = "a" }', "expected the name of a header"),
            ('{ Host = "a" }', "expected a header that is not part of what is measured, found 'Host'"),
            ('{ X-A = "a", x-a = "b" }', "expected each header once"),
            ("{ X-A = 12345 }", "found something else"),
        ],
    )
    def test_a_mistake(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, because: str
    ) -> None:
        """It is refused with file, line and key, and what was found is not shown."""
        monkeypatch.setenv("HOSTILE", "s3cret\r\nX-Injected: yes")
        found = complaint(tmp_path, f"{API}headers = {said}\n")
        assert found.startswith("it.toml, line 8: services.api.headers")
        assert because in found
        assert not any(each in found for each in ("s3cret", "12345", "X: y"))

    def test_a_hostile_file(self, tmp_path: Path) -> None:
        """What a file holds is refused as well, and costs this service alone."""
        (tmp_path / "key").write_text("one\ntwo")
        loaded(tmp_path, API + 'headers = { X-Key = { file = "key" } }\n', "api")
        stack = with_credentials(load_stack(str(tmp_path / "it.toml"), Folders(tmp_path), CATALOGUE))
        assert "services.api.headers.X-Key: expected printable ASCII on one line" in stack.missing["api"]

    def test_not_of_other_kinds(self, tmp_path: Path) -> None:
        """Only APIs have them."""
        assert "Only requests to APIs carry headers of yours." in complaint(
            tmp_path, REDIS + 'headers = { X = "a" }\n'
        )
