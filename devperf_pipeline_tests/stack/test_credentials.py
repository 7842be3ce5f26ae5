import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from devperf_pipeline.errors import ConfigurationError, ServiceRefused, WrongAnswer
from devperf_pipeline.local.lifecycle import standing
from devperf_pipeline.model import Address, Credentials, Stack, VaultField
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.vault.client import VaultApi
from devperf_pipeline.stack.credentials import CredentialVault, with_credentials
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline_tests.services.wrong_endpoints import greeting_server, refusing_port
from devperf_pipeline_tests.vault_answers import DENIED, NOTHING, SEALED, Answer, vault_that_says

TEXT = """name = "home"
managed = false

[vault]
address = "{address}"
{login}

[services.postgresql]
kind = "postgresql"
address = "127.0.0.1:5432"
username = "dev_admin"
password = {{ vault = "secret/data/postgres", field = "password" }}

[services.redis]
kind = "redis"
address = "127.0.0.1:6379"
password = "literal"
"""

TOKEN_FILE = 'token_file = "token"'
APPROLE = 'role_id_file = "role-id"\nsecret_id_file = "secret-id"'

ODD = 'it\'s "50 %" of a päss wörd \\ 密码 $HOME #'


def version_2(**fields: object) -> Answer:
    return 200, {"data": {"data": fields, "metadata": {"version": 3}}}


def described(folder: Path, text: str, address: object = "127.0.0.1:8200", login: str = TOKEN_FILE) -> Stack:
    """The stack of a file in that folder, beside a token and AppRole's two files."""
    (folder / "token").write_text("t-1\n")
    (folder / "role-id").write_text("role\n")
    (folder / "secret-id").write_text("secret\n")
    path = folder / "home.toml"
    path.write_text(text.format(address=address, login=login))
    return load_stack(str(path), Folders(folder), CATALOGUE)


def reason(folder: Path, answers: dict[str, Answer | list[Answer]], login: str = TOKEN_FILE) -> str:
    """Why PostgreSQL cannot be entered, without the folder; Redis can be all the same."""
    with vault_that_says(answers) as told:
        found = with_credentials(described(folder, TEXT, told.address, login))
        assert list(found.missing) == ["postgresql"]
        assert found.service("redis").credentials == Credentials("", "literal")
        return found.missing["postgresql"].replace(f"{folder}/", "").replace(str(told.address), "ADDRESS")


class TestFiles:
    TEXT = TEXT.replace('password = "literal"', 'password = {{ file = "cache-password" }}')

    def test_are_read_beside_a_vault(self, tmp_path: Path) -> None:
        """A password of a file comes without the line's end, and is shown nowhere."""
        (tmp_path / "cache-password").write_text(f"{ODD}\n", encoding="utf-8")
        with vault_that_says({"GET secret/data/postgres": version_2(password="x")}) as told:
            found = with_credentials(described(tmp_path, self.TEXT, told.address))
        assert {} == found.missing
        assert found.service("redis").credentials == Credentials("", ODD)
        assert ODD not in repr(found)

    def test_that_cannot_be_read_cost_one_service(self, tmp_path: Path) -> None:
        """A file that is not there is named, and others are entered all the same."""
        with vault_that_says({"GET secret/data/postgres": version_2(password="x")}) as told:
            found = with_credentials(described(tmp_path, self.TEXT, told.address))
        assert ["redis"] == list(found.missing)
        assert str(tmp_path / "cache-password") in found.missing["redis"]


class TestReading:
    @pytest.mark.parametrize("password", ["plain", ODD, " leading and trailing ", "100%25", "\u202e\u00e9"])
    def test_password_comes_as_it_is(self, tmp_path: Path, password: str) -> None:
        """Whatever text is kept arrives unchanged, and nowhere in what is shown."""
        with vault_that_says({"GET secret/data/postgres": version_2(password=password)}) as told:
            found = with_credentials(described(tmp_path, TEXT, told.address))
        assert found.service("postgresql").credentials == Credentials("dev_admin", password)
        assert password not in repr(found)

    def test_user_name_and_database_too(self, tmp_path: Path) -> None:
        """A user name and a database may be kept as well; one without a field's name is looked for under its own."""
        text = TEXT.replace('"dev_admin"', '{{ vault = "secret/data/postgres", field = "user" }}').replace(
            "[services.redis]", 'database = {{ vault = "secret/data/postgres" }}\n\n[services.redis]'
        )
        kept = version_2(user="u", password="p", database="d")
        with vault_that_says({"GET secret/data/postgres": kept}) as told:
            service = with_credentials(described(tmp_path, text, told.address)).service("postgresql")
        assert (service.credentials, service.database, service.kept) == (Credentials("u", "p"), "d", {})

    def test_version_1_too(self, tmp_path: Path) -> None:
        """Secrets of KV version 1 have their fields one level higher."""
        with vault_that_says({"GET secret/data/postgres": (200, {"data": {"password": "p"}})}) as told:
            found = with_credentials(described(tmp_path, TEXT, told.address))
        assert found.service("postgresql").credentials == Credentials("dev_admin", "p")

    def test_stack_file_alone_reads_nothing(self, tmp_path: Path) -> None:
        """Loading a stack asks no Vault: there is none at this address."""
        with refusing_port() as address:
            stack = described(tmp_path, TEXT, address)
        assert stack.service("postgresql").kept["password"].path == "secret/data/postgres"


class TestLoggingIn:
    def test_by_a_token_of_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The variable that the stack file names holds the token."""
        monkeypatch.setenv("HOME_VAULT", "t-env")
        with vault_that_says({"GET secret/data/postgres": version_2(password="p")}) as told:
            with_credentials(described(tmp_path, TEXT, told.address, 'token = { env = "HOME_VAULT" }'))
        assert told.heard == [("GET secret/data/postgres", "t-env", None)]

    def test_by_approle(self, tmp_path: Path) -> None:
        """The two files log in, without their line breaks, once for all services; nothing of the login is left."""
        answers: dict[str, Answer | list[Answer]] = {
            "POST auth/approle/login": (200, {"auth": {"client_token": "t-role"}}),
            "POST auth/token/revoke-self": (204, {}),
            "GET secret/data/postgres": version_2(password="p"),
        }
        text = TEXT.replace('"literal"', '{{ vault = "secret/data/postgres" }}')
        with vault_that_says(answers) as told:
            with_credentials(described(tmp_path, text, told.address, APPROLE))
        assert told.heard == [
            ("POST auth/approle/login", "", {"role_id": "role", "secret_id": "secret"}),
            ("GET secret/data/postgres", "t-role", None),
            ("GET secret/data/postgres", "t-role", None),
            ("POST auth/token/revoke-self", "t-role", {}),
        ]

    def test_again_when_the_token_has_ended(self, tmp_path: Path) -> None:
        """A refusal is answered with one more login."""
        answers: dict[str, Answer | list[Answer]] = {
            "POST auth/approle/login": [
                (200, {"auth": {"client_token": "old"}}),
                (200, {"auth": {"client_token": "new"}}),
            ],
            "GET secret/data/postgres": [DENIED, version_2(password="p")],
        }
        with vault_that_says(answers) as told:
            found = with_credentials(described(tmp_path, TEXT, told.address, APPROLE))
        assert found.missing == {}
        assert ["", "old", "", "new", "new"] == [token for _, token, _ in told.heard]


class TestRefusals:
    def test_forbidden(self, tmp_path: Path) -> None:
        """A path that the token may not read is named, after one more login."""
        assert reason(tmp_path, {"GET secret/data/postgres": DENIED}) == (
            "postgresql: home.toml, line 12: services.postgresql.password: expected secret/data/postgres in the Vault "
            "at ADDRESS to be readable, found 403: 1 error occurred: * permission denied. The token is wrong, has "
            "expired, or its policy does not allow reading that path: log in again, or allow it "
            "(home.toml, line 4: [vault])."
        )

    def test_missing_path(self, tmp_path: Path) -> None:
        """Where nothing is kept, the path is named."""
        assert reason(tmp_path, {"GET secret/data/postgres": NOTHING}) == (
            "postgresql: home.toml, line 12: services.postgresql.password: expected secret/data/postgres in the Vault "
            "at ADDRESS, found nothing there (404: no reason given). Write the secret, or correct the path."
        )

    def test_missing_field(self, tmp_path: Path) -> None:
        """A field that is not there is named beside those that are; no value is shown."""
        said = reason(tmp_path, {"GET secret/data/postgres": version_2(passwd="hidden", user="u")})
        assert said == (
            "postgresql: home.toml, line 12: services.postgresql.password: expected the field 'password' at "
            "secret/data/postgres, found passwd, user. Correct its name, or write it."
        )

    @pytest.mark.parametrize(
        ("value", "shown"),
        [("", "nothing"), (None, "nothing"), (90210, "something else"), (["a"], "something else")],
    )
    def test_field_without_text(self, tmp_path: Path, value: object, shown: str) -> None:
        """What is no text is not shown."""
        said = reason(tmp_path, {"GET secret/data/postgres": version_2(password=value)})
        assert f"found {shown}. Write it again, in quotes." in said
        assert "90210" not in said

    def test_sealed(self, tmp_path: Path) -> None:
        """A sealed Vault is told, with the remedy."""
        assert reason(tmp_path, {"GET secret/data/postgres": SEALED}) == (
            "postgresql: home.toml, line 4: [vault]: expected the Vault at ADDRESS to answer secret/data/postgres, "
            "found it sealed. Run `vault operator unseal`."
        )

    @pytest.mark.parametrize(
        ("words", "which"),
        [
            (
                "invalid role or secret ID",
                "The role-id (role-id) or the secret-id (secret-id) is wrong or has expired",
            ),
            ("invalid role ID", "The role-id (role-id) is wrong or has expired"),
            (
                "no handler for route",
                "The role-id (role-id) or the secret-id (secret-id) is wrong or has expired",
            ),
            ("invalid secret id", "The secret-id (secret-id) is wrong or has expired"),
        ],
    )
    def test_wrong_approle(self, tmp_path: Path, words: str, which: str) -> None:
        """A login that is refused names the files, not what is in them."""
        said = reason(tmp_path, {"POST auth/approle/login": (400, {"errors": [words]})}, APPROLE)
        assert (
            f"home.toml, line 4: [vault]: expected ADDRESS to accept AppRole's login, found 400: {words}"
            in said
        )
        assert which in said

    @pytest.mark.parametrize(
        ("login", "expected"),
        [
            (
                'token_file = "none"',
                "expected to read none, found that it cannot be read (No such file or directory).",
            ),
            ('token_file = "empty"', "expected empty to hold one line, found it empty. Write it again."),
            (
                'token_file = "two"',
                "two: expected a token of letters, digits and signs, found other characters.",
            ),
            (
                'token = { env = "NOT_SET_ANYWHERE" }',
                "expected a token in the environment variable NOT_SET_ANYWHERE, found no such variable. Set it.",
            ),
        ],
    )
    def test_no_token(self, tmp_path: Path, login: str, expected: str) -> None:
        """A token that cannot be had is told with its file or variable."""
        (tmp_path / "empty").write_text("\n")
        (tmp_path / "two").write_text("a\nb\n")
        said = reason(tmp_path, {}, login)
        assert said.startswith("postgresql: home.toml, line 4: [vault]: ")
        assert expected in said

    def test_nobody_there(self, tmp_path: Path) -> None:
        """A Vault that does not run costs the services whose credentials it keeps."""
        with refusing_port() as address:
            found = with_credentials(described(tmp_path, TEXT, address))
        assert f"[vault]: expected a Vault at {address}, found none" in found.missing["postgresql"]

    def test_somebody_else(self, tmp_path: Path) -> None:
        """A server of another kind is told from a Vault."""
        with greeting_server(b"-ERR unknown command\r\n") as address:
            found = with_credentials(described(tmp_path, TEXT, address))
        assert f"expected a Vault at http://{address}," in found.missing["postgresql"]

    @pytest.mark.parametrize(
        ("part", "expected"), [(b" ", "no whole answer within"), (b" " * 100_000, "no answer in JSON")]
    )
    def test_endless_answer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: bytes, expected: str
    ) -> None:
        """An answer that does not end is left, whether it comes drop by drop or all at once."""
        monkeypatch.setattr("devperf_pipeline.stack.credentials.ANSWER_S", 0.5)
        monkeypatch.setattr("devperf_pipeline.stack.credentials.LARGEST_ANSWER_BYTES", 100)
        with endless_answer(part) as address:
            found = with_credentials(described(tmp_path, TEXT, address))
        assert expected in found.missing["postgresql"]


@contextmanager
def endless_answer(part: bytes) -> Iterator[Address]:
    """A server whose answer goes on, part after part, until nobody listens."""

    def answer() -> None:
        with listener.accept()[0] as connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n")
            while True:
                connection.sendall(part)
                time.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        yield Address(*listener.getsockname())
        thread.join()


class TestComplaints:
    @pytest.mark.parametrize(
        ("changed", "into", "expected"),
        [
            (
                TOKEN_FILE,
                "",
                (
                    "line 4: vault: expected exactly one way in: token, token_file, or role_id_file with secret_id_file, "
                    "found none."
                ),
            ),
            (
                TOKEN_FILE,
                'role_id_file = "role-id"',
                (
                    "line 4: vault: expected exactly one way in: token, token_file, or role_id_file with secret_id_file, "
                    "found role_id_file."
                ),
            ),
            (
                TOKEN_FILE,
                'token = "hvs.secret"',
                'line 6: vault.token: expected {env = "NAME"} (tokens are not written here), found something else.',
            ),
            (
                TOKEN_FILE,
                'token_fil = "x"',
                (
                    "line 6: vault.token_fil: expected one of address, token, token_file, role_id_file, secret_id_file, tls, "
                    "found 'token_fil'. Did you mean 'token_file'?"
                ),
            ),
            (
                "127.0.0.1:8200",
                "10.0.0.1:8200",
                (
                    "line 5: vault.address: expected a loopback address (127.0.0.1, localhost), found '10.0.0.1'. "
                    "Load goes to this machine only."
                ),
            ),
            (
                'field = "password"',
                'feld = "password"',
                (
                    "line 12: services.postgresql.password.feld: expected one of vault, field, found 'feld'. "
                    "Did you mean 'field'?"
                ),
            ),
            (
                "secret/data/postgres",
                "secret/../x?y",
                (
                    'line 12: services.postgresql.password.vault: expected a path such as "secret/data/postgres", '
                    "found 'secret/../x?y'."
                ),
            ),
        ],
    )
    def test_name_the_place(self, tmp_path: Path, changed: str, into: str, expected: str) -> None:
        """What is wrong with a Vault in a stack file is told with its line."""
        text = TEXT.format(address="127.0.0.1:8200", login=TOKEN_FILE)
        assert changed in text
        (tmp_path / "home.toml").write_text(text.replace(changed, into))
        with pytest.raises(ConfigurationError) as caught:
            load_stack(str(tmp_path / "home.toml"), Folders(tmp_path), CATALOGUE)
        assert str(caught.value) == f"{tmp_path}/home.toml, {expected}"
        assert "hvs.secret" not in str(caught.value)

    def test_ask_for_the_vault(self, tmp_path: Path) -> None:
        """Something that a Vault keeps needs a table that says how the Vault is entered."""
        text = TEXT.format(address="127.0.0.1:8200", login=TOKEN_FILE)
        (tmp_path / "home.toml").write_text(
            text.replace("[vault]", "[services.mysql]\nkind = 'mysql'").replace(TOKEN_FILE, "")
        )
        with pytest.raises(
            ConfigurationError, match=r"line 13: services\.postgresql\.password: expected a table \[vault\]"
        ):
            load_stack(str(tmp_path / "home.toml"), Folders(tmp_path), CATALOGUE)


APPROLE_POLICY = 'path "secret/data/odd" { capabilities = ["read"] }\n'


@pytest.mark.servers
class TestRealVault:
    @pytest.fixture(name="api")
    def _api(self, running_stack: Stack) -> Iterator[VaultApi]:
        """A Vault with AppRole, a role that may read one secret, and that secret."""
        if "vault" in running_stack.missing:
            pytest.skip(running_stack.missing["vault"])
        api = VaultApi(running_stack.service("vault"))
        api.do("POST", "/sys/auth/approle", {"type": "approle"})
        api.do("POST", "/sys/policies/acl/odd", {"policy": APPROLE_POLICY})
        api.do("POST", "/auth/approle/role/odd", {"token_policies": ["odd"], "token_ttl": "10m"})
        api.do("POST", "/secret/data/odd", {"data": {"password": ODD, "user": "näme"}})
        yield api
        api.do("DELETE", "/secret/metadata/odd")
        api.do("DELETE", "/sys/policies/acl/odd")
        api.do("DELETE", "/sys/auth/approle")
        api.close()

    def stack(self, folder: Path, running: Stack, text: str = TEXT) -> Stack:
        """A stack whose credentials that Vault keeps."""
        text = text.replace("secret/data/postgres", "secret/data/odd")
        return described(folder, text, running.service("vault").address, APPROLE)

    def log_in_with(self, folder: Path, api: VaultApi) -> tuple[Path, Path]:
        """Write role-id and secret-id as the Vault gives them."""
        role, secret = folder / "role-id", folder / "secret-id"
        role.write_text(api.do("GET", "/auth/approle/role/odd/role-id")["data"]["role_id"])
        secret.write_text(api.do("POST", "/auth/approle/role/odd/secret-id")["data"]["secret_id"])
        return role, secret

    def test_approle(self, tmp_path: Path, running_stack: Stack, api: VaultApi) -> None:
        """A password with quotes, spaces, per cent and letters of other scripts comes through unchanged."""
        stack = self.stack(tmp_path, running_stack)
        self.log_in_with(tmp_path, api)
        with standing(stack, Folders(tmp_path), lambda _: None) as found:
            assert found.missing == {}
            assert found.service("postgresql").credentials == Credentials("dev_admin", ODD)

    def test_wrong_ids(self, tmp_path: Path, running_stack: Stack, api: VaultApi) -> None:
        """A wrong role-id and a wrong secret-id are told by the two files, one of which is wrong, and not shown."""
        stack = self.stack(tmp_path, running_stack)
        for which in (0, 1):
            files = self.log_in_with(tmp_path, api)
            files[which].write_text("4fcd1d5e-0000-4000-8000-dead00000000")
            said = with_credentials(stack).missing["postgresql"]
            assert f"The role-id ({files[0]}) or the secret-id ({files[1]}) is wrong or has expired" in said
            assert "dead" not in said

    def test_token_that_ended(self, tmp_path: Path, running_stack: Stack, api: VaultApi) -> None:
        """Where the token was revoked meanwhile, one more login reads the rest."""
        stack = self.stack(tmp_path, running_stack)
        self.log_in_with(tmp_path, api)
        assert stack.vault is not None
        vault = CredentialVault(stack.vault)
        wanted = stack.service("postgresql").kept["password"]
        assert vault.read(wanted) == ODD
        api.do("POST", "/auth/token/revoke", {"token": vault._token})
        assert vault.read(wanted) == ODD

    def test_other_paths(self, tmp_path: Path, running_stack: Stack, api: VaultApi) -> None:
        """A path that the role may not read is refused, and one without its `data` is told how to be written."""
        self.log_in_with(tmp_path, api)
        stack = self.stack(tmp_path, running_stack)
        self.log_in_with(tmp_path, api)
        assert stack.vault is not None
        vault = CredentialVault(stack.vault)
        with pytest.raises(ServiceRefused, match=r"expected secret/data/mysql .* to be readable, found 403"):
            vault.read(VaultField("secret/data/mysql", "password", "here"))
        api.do("POST", "/sys/policies/acl/odd", {"policy": 'path "secret/*" { capabilities = ["read"] }'})
        with pytest.raises(
            WrongAnswer, match=r"Paths of KV version 2 have data after the mount: secret/data/odd\."
        ):
            vault.read(VaultField("secret/odd", "password", "here"))
