import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from hvac.exceptions import Forbidden, RateLimitExceeded, VaultDown

from devperf_pipeline.errors import ServiceError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.local.install import find_server
from devperf_pipeline.local.lifecycle import down, up
from devperf_pipeline.local.servers.vault import SAMPLES, UNSEAL_KEY
from devperf_pipeline.model import Address, Credentials, Outcome, Service, Stack
from devperf_pipeline.services.operation import FLOOR
from devperf_pipeline.services.vault.cleanup import MARK, OwnNames
from devperf_pipeline.services.vault.client import VaultApi
from devperf_pipeline.services.vault.connection import failure
from devperf_pipeline.services.vault.session import VaultSession, open_session
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline_tests.services.calls import CALLS, RIGHT, by_driver, by_engine, named
from devperf_pipeline_tests.services.wrong_endpoints import refusing_port, silent_server, web_server
from devperf_pipeline_tests.vault_answers import DENIED, SEALED, WELL, Answer, vault_that_says

OWN = OwnNames("devperf")

TITLES = {
    "kv-read": "KV read (secret/data/*)",
    "kv-write": "KV write (secret/data/*)",
    "kv-list": "KV list",
    "pki-issue": "Certificate issue (PKI)",
    "token-create": "Token create",
    "health": "Health check (sys/health)",
    "seal-status": "Seal status",
}
"""The published ones."""

DOCUMENTED = (Path(__file__).parents[3] / "docs" / "vault-policy.hcl").read_text(encoding="utf-8")
NARROW = "\n".join(line[2:] for line in DOCUMENTED.splitlines() if line.startswith("# path"))
"""What is documented as enough where we may not mount."""


TOKEN = "t-1"


def described(address: Address, token: str = TOKEN) -> Service:
    return Service(name="vault", kind="vault", addresses=(address,), credentials=Credentials("token", token))


def refusal(answers: dict[str, Answer | list[Answer]], token: str = TOKEN) -> str:
    """Why a Vault that answers so cannot be measured."""

    def open_at(address: Address) -> None:
        session = open_session(described(address, token))
        try:
            session.prepare()
        finally:
            session.close()

    with vault_that_says(answers) as told, pytest.raises(ServiceError) as caught:
        open_at(told.address)
    return str(caught.value).replace(str(told.address), "ADDRESS")


class TestOpenSession:
    def test_nobody_there(self) -> None:
        """Where nothing listens the message says where."""
        with (
            refusing_port() as address,
            pytest.raises(ServiceUnreachable, match=f"expected a server at {address}"),
        ):
            open_session(described(address))

    def test_silence(self) -> None:
        """Somebody who never answers is given up within the deadline."""
        with (
            silent_server() as address,
            pytest.raises(ServiceUnreachable, match="does not answer within 3 s"),
        ):
            open_session(described(address))

    def test_another_web_server(self) -> None:
        """A web server that is no Vault is told from one."""
        with (
            web_server() as address,
            pytest.raises(WrongAnswer, match=f"vault at {address}: expected a Vault"),
        ):
            open_session(described(address))

    @pytest.mark.parametrize(
        ("status", "changed", "expected"),
        [
            (
                501,
                {"initialized": False, "sealed": True},
                (
                    "vault at ADDRESS: expected an initialised Vault, found a new one. "
                    "Run `vault operator init`, then `vault operator unseal`."
                ),
            ),
            (
                503,
                {"sealed": True},
                (
                    "vault at ADDRESS: expected an unsealed Vault, found it sealed: it answers nothing but its health. "
                    "Run `vault operator unseal`."
                ),
            ),
            (
                429,
                {"standby": True},
                (
                    "vault at ADDRESS: expected the active node, found a standby (sys/health answers 429). "
                    "Put the active node's address into the stack file: http://127.0.0.1:8201."
                ),
            ),
        ],
    )
    def test_state(self, status: int, changed: dict[str, bool], expected: str) -> None:
        """A Vault that is new, sealed or standing by is told with the remedy."""
        leader = 200, {"leader_address": "http://127.0.0.1:8201"}
        assert expected == refusal({"GET sys/health": (status, WELL | changed), "GET sys/leader": leader})

    @pytest.mark.parametrize(
        ("token", "expected"),
        [
            ("t-1", "The token is wrong, has expired or was revoked. Log in again (`vault login`)"),
            (
                "",
                "expected a token, found none in the stack file. Add to [services.vault]: password = { env =",
            ),
            ("t-1\n", "expected a token of letters, digits and signs, found other characters in it."),
            ("t-ü", "expected a token of letters, digits and signs, found other characters in it."),
        ],
    )
    def test_token(self, token: str, expected: str) -> None:
        """A token that is refused, missing or none is told, and never shown."""
        said = refusal({"GET sys/health": (200, WELL), "GET auth/token/lookup-self": DENIED}, token)
        assert said.startswith("vault at ADDRESS")
        assert expected in said
        assert "t-" not in said

    @pytest.mark.parametrize(
        ("mount", "found"),
        [
            ({"type": "kv", "options": {"version": "1"}}, "KV version 1"),
            ({"type": "kv", "options": None}, "KV version 1"),
            ({"type": "pki"}, "pki"),
        ],
    )
    def test_other_than_version_2(self, mount: dict[str, Any], found: str) -> None:
        """Where we may not mount, the mount that we are to use must be KV version 2."""
        places = [f"sys/mounts/{OWN.kv}", f"sys/mounts/{OWN.pki}", f"sys/policies/acl/{OWN.policy}"]
        said = refusal(
            {
                "GET sys/health": (200, WELL),
                "GET auth/token/lookup-self": (200, {"data": {}}),
                "POST sys/capabilities-self": (200, {"data": {place: ["deny"] for place in places}}),
                "GET sys/internal/ui/mounts/secret": (200, {"data": mount}),
            }
        )
        assert said == (
            f"vault at ADDRESS: expected KV version 2 at secret/, found {found}. Name a mount of version 2 as "
            "database of [services.vault], or run `vault kv enable-versioning secret`."
        )

    def test_sealed_meanwhile(self) -> None:
        """A Vault that is sealed after a session began is told so, whatever it was asked."""
        said = refusal(
            {
                "GET sys/health": (200, WELL),
                "GET auth/token/lookup-self": (200, {"data": {}}),
                "POST sys/capabilities-self": SEALED,
            }
        )
        assert "expected an unsealed Vault, found it sealed" in said


class TestFailure:
    def test_ways_to_end(self) -> None:
        """A limit, a refusal, a broken connection and a deadline are different outcomes."""
        found = [
            failure(error)
            for error in (
                RateLimitExceeded(),
                Forbidden(),
                VaultDown(),
                requests.ConnectionError(),
                requests.ReadTimeout(),
            )
        ]
        expected = [Outcome.LIMITED, Outcome.ERROR, Outcome.ERROR, Outcome.LOST, Outcome.TIMEOUT]
        assert expected == found


def vault_of(stack: Stack) -> Service:
    """The running Vault, where this machine has one."""
    if "vault" in stack.missing:
        pytest.skip(stack.missing["vault"])
    return stack.service("vault")


@pytest.fixture(name="service")
def _service(running_stack: Stack) -> Service:
    return vault_of(running_stack)


@pytest.fixture(name="api")
def _api(service: Service) -> Iterator[VaultApi]:
    """A way to look and to change things as the one who runs the Vault."""
    api = VaultApi(service)
    yield api
    api.close()


@pytest.fixture(name="session", scope="module")
def _session(running_stack: Stack) -> Iterator[VaultSession]:
    session = open_session(vault_of(running_stack))
    session.prepare()
    yield session
    session.clean()
    session.close()


def everything(api: VaultApi) -> dict[str, object]:
    """What is in a Vault: mounts, policies, tokens, secrets."""
    return {
        "mounts": sorted(api.do("GET", "/sys/mounts")["data"]),
        "policies": api.do("LIST", "/sys/policies/acl")["data"]["keys"],
        "tokens": sorted(api.do("LIST", "/auth/token/accessors")["data"]["keys"]),
        "secrets": api.do("LIST", "/secret/metadata")["data"]["keys"],
    }


def token_with(api: VaultApi, policy: str, text: str) -> str:
    """A token that may do what the policy says, and nothing else."""
    api.do("POST", f"/sys/policies/acl/{policy}", {"policy": text})
    made = api.do("POST", "/auth/token/create", {"policies": [policy], "ttl": "1h", "no_parent": True})
    return made["auth"]["client_token"]


def measure_a_little(session: VaultSession) -> None:
    """Each operation, by both instruments."""
    for operation in session.operations():
        connection = session.connect()
        try:
            assert [RIGHT] * CALLS == by_engine(operation, [connection])
            assert [RIGHT] * CALLS == by_driver(operation, [connection])
        finally:
            connection.close()


@pytest.mark.servers
class TestVaultSession:
    def test_operations(self, session: VaultSession) -> None:
        """The floor, then the published rows under their titles."""
        found = {operation.name: operation.title for operation in session.operations()}
        assert (FLOOR, TITLES) == (next(iter(found)), {name: found[name] for name in found if name != FLOOR})

    @pytest.mark.parametrize("name", [FLOOR, *TITLES])
    @pytest.mark.parametrize("instrument", [by_engine, by_driver])
    def test_every_call_is_right(self, session: VaultSession, name: str, instrument: Any) -> None:
        """Each operation is answered right by either instrument, for several users, round after round."""
        users = 3 if instrument is by_engine else 1
        connections = [session.connect() for _ in range(users)]
        try:
            for _ in range(2):
                assert [RIGHT] * (CALLS * users) == instrument(named(session, name), connections)
        finally:
            for connection in connections:
                connection.close()

    def test_facts(self, session: VaultSession) -> None:
        """The product, its version and what is measured with are told."""
        facts = session.facts()
        assert facts.product.endswith(facts.version)
        assert "inmem (in memory, as in development mode)" == facts.settings["storage"]
        assert f"version 2, mount {OWN.kv}/ (our own)" == facts.settings["kv"]
        assert "rsa 2048, issued with their key, not stored" == facts.settings["certificates"]

    def test_wrong_answers_are_told(self, session: VaultSession, api: VaultApi) -> None:
        """A key that was removed meanwhile is an error on each call, and told by the sampled answer."""
        connection = session.connect()
        try:
            api.do("DELETE", f"/{OWN.kv}/metadata/devperf/kept/000")
            verdicts = by_engine(named(session, "kv-read"), [connection])
            assert Outcome.ERROR == verdicts[0][0]
            assert "expected status 200, found 404" in (verdicts[0][1] or "")
            assert [RIGHT] * (CALLS - 1) == verdicts[1:]
            listed = by_engine(named(session, "kv-list"), [connection])
            assert "expected our 100 keys, found 99" in (listed[0][1] or "")
        finally:
            connection.close()
            session.prepare()


@pytest.mark.servers
class TestTidiness:
    def test_clean_leaves_nothing(self, service: Service, session: VaultSession, api: VaultApi) -> None:
        """After a session mounts, policies, tokens and secrets are what they were before; a second cleaning is harmless."""
        session.clean()
        before = everything(api)
        other = open_session(service)
        try:
            other.prepare()
            measure_a_little(other)
            assert before != everything(api)
            other.clean()
            other.clean()
            assert before == everything(api)
        finally:
            other.close()
            session.prepare()

    def test_next_session_removes_what_a_killed_one_left(
        self, service: Service, session: VaultSession, api: VaultApi
    ) -> None:
        """A session that ended without cleaning leaves nothing after the next one, not even tokens."""
        session.clean()
        before = everything(api)
        killed, other = open_session(service), open_session(service)
        try:
            killed.prepare()
            connection = killed.connect()
            by_engine(named(killed, "token-create"), [connection])
            connection.close()
            killed.close()
            other.clean()
            assert before == everything(api)
        finally:
            other.close()
            session.prepare()

    @pytest.mark.parametrize("mount", [OWN.kv, OWN.pki])
    def test_refuses_a_foreign_mount(
        self, service: Service, session: VaultSession, api: VaultApi, mount: str
    ) -> None:
        """A mount of our name that we did not make is neither used nor removed."""
        session.clean()
        other = open_session(service)
        api.do("POST", f"/sys/mounts/{mount}", {"type": "kv", "description": "somebody's"})
        words = f"a mount {mount}/ exists that this project did not make"
        try:
            if mount == OWN.kv:
                with pytest.raises(ServiceRefused, match=words):
                    other.prepare()
            else:
                other.prepare()
                assert words in other.unmeasurable["Certificate issue (PKI)"]
            other.clean()
            assert f"{mount}/" in api.do("GET", "/sys/mounts")["data"]
        finally:
            other.close()
            api.do("DELETE", f"/sys/mounts/{mount}")
            session.prepare()

    def test_refuses_a_foreign_policy(self, service: Service, session: VaultSession, api: VaultApi) -> None:
        """A policy of our name that we did not make stays, and costs the row that needs it."""
        session.clean()
        other = open_session(service)
        api.do("POST", f"/sys/policies/acl/{OWN.policy}", {"policy": "# somebody's\n"})
        try:
            other.prepare()
            assert ["Token create"] == list(other.unmeasurable)
            other.clean()
            assert "# somebody's\n" == api.do("GET", f"/sys/policies/acl/{OWN.policy}")["data"]["policy"]
        finally:
            other.close()
            api.do("DELETE", f"/sys/policies/acl/{OWN.policy}")
            session.prepare()


@pytest.mark.servers
class TestPrivileges:
    def test_documented_policy_is_enough(
        self, service: Service, session: VaultSession, api: VaultApi
    ) -> None:
        """With a token of the policy that is documented everything is measured and removed."""
        session.clean()
        token = token_with(api, "documented", DOCUMENTED)
        before = everything(api)
        other = open_session(replace(service, credentials=Credentials("token", token)))
        try:
            assert [] == other.preflight()
            other.prepare()
            assert {} == other.unmeasurable
            measure_a_little(other)
            other.clean()
            assert before == everything(api)
        finally:
            other.close()
            api.do("DELETE", "/sys/policies/acl/documented")
            session.prepare()

    def test_without_mounts_a_folder_is_used(
        self, service: Service, session: VaultSession, api: VaultApi
    ) -> None:
        """A token that may only use `secret/devperf/` measures there, and says what it cannot; nothing is left."""
        token = token_with(api, "narrow", NARROW)
        before = everything(api)
        other = open_session(replace(service, credentials=Credentials("token", token)))
        try:
            folder, certificates, tokens = other.preflight()
            assert "the folder secret/devperf/ is used" in folder
            assert certificates.startswith("certificates are not measured: missing privilege")
            assert tokens.startswith("tokens are not measured: missing privilege")
            other.prepare()
            assert (
                "version 2, mount secret/ (shared: our token may not mount one)"
                == other.facts().settings["kv"]
            )
            assert ["Certificate issue (PKI)", "Token create"] == list(other.unmeasurable)
            measure_a_little(other)
            assert "devperf/" in api.do("LIST", "/secret/metadata")["data"]["keys"]
            other.clean()
            assert before == everything(api)
        finally:
            other.close()
            api.do("DELETE", "/sys/policies/acl/narrow")

    def test_foreign_keys_in_the_folder_stay(
        self, service: Service, session: VaultSession, api: VaultApi
    ) -> None:
        """Keys at `secret/devperf/` that are not ours are neither measured with nor removed."""
        token = token_with(api, "narrow", NARROW)
        api.do("POST", "/secret/data/devperf/theirs", {"data": {"a": "b"}})
        other = open_session(replace(service, credentials=Credentials("token", token)))
        try:
            with pytest.raises(ServiceRefused, match="expected nothing at secret/devperf/"):
                other.prepare()
            other.clean()
            assert ["theirs"] == api.do("LIST", "/secret/metadata/devperf")["data"]["keys"]
        finally:
            other.close()
            api.do("DELETE", "/secret/metadata/devperf/theirs")
            api.do("DELETE", "/sys/policies/acl/narrow")

    def test_token_that_was_revoked(self, service: Service, api: VaultApi) -> None:
        """A token that has ended is refused in one sentence, which does not show it."""
        token = token_with(api, "narrow", NARROW)
        api.do("POST", "/auth/token/revoke", {"token": token})
        with pytest.raises(ServiceRefused, match="has expired or was revoked") as caught:
            open_session(replace(service, credentials=Credentials("token", token)))
        assert token not in str(caught.value)
        api.do("DELETE", "/sys/policies/acl/narrow")


@pytest.mark.servers
class TestStarting:
    def test_settings_that_it_refuses(self, tmp_path: Path) -> None:
        """A Vault that refuses its settings is missing, with its own words."""
        if find_server("vault") is None:
            pytest.skip("no Vault on this machine")
        folders = Folders(tmp_path)
        described = Service(name="vault", kind="vault", settings={"storage": "nonsense"})
        stack = Stack(name="refusing", path=Path("refusing.toml"), managed=True, services=(described,))
        try:
            found = up(stack, folders, lambda _: None)
            assert "its process ended while it was starting" in found.missing["vault"]
            assert "Unknown storage type nonsense" in found.missing["vault"]
        finally:
            down("refusing", folders, lambda _: None)

    def test_sample_secrets(self, api: VaultApi) -> None:
        """What the reference APIs are asked for is there, at version 1."""
        for name in SAMPLES:
            found = api.do("GET", f"/secret/data/{name}")["data"]
            assert (1, "sample") == (found["metadata"]["version"], found["data"]["username"])


@pytest.mark.servers
class TestSealed:
    @pytest.mark.parametrize("storage", ["inmem", "raft"])
    def test_sealed_and_unsealed(self, tmp_path: Path, storage: str) -> None:
        """A sealed Vault is refused with the remedy, calls to it are errors, and unsealed it has kept everything."""
        if find_server("vault") is None:
            pytest.skip("no Vault on this machine")
        folders = Folders(tmp_path)
        described = Service(name="vault", kind="vault", settings={"storage": storage})
        stack = Stack(name="sealing", path=Path("sealing.toml"), managed=True, services=(described,))
        try:
            found = up(stack, folders, lambda _: None)
            assert {} == found.missing
            service = found.service("vault")
            other, api = open_session(service), VaultApi(service)
            other.prepare()
            assert other.facts().settings["storage"].startswith(storage)
            read = named(other, "kv-read")
            connection = other.connect()
            api.do("PUT", "/sys/seal")
            with pytest.raises(ServiceRefused, match="Run `vault operator unseal`"):
                open_session(service)
            assert {Outcome.ERROR} == {outcome for outcome, _ in by_engine(read, [connection])}
            key = (folders.servers / "sealing" / "vault" / UNSEAL_KEY).read_text()
            api.do("PUT", "/sys/unseal", {"key": key})
            again = open_session_when_active(service)
            assert [RIGHT] * CALLS == by_engine(read, [connection])
            connection.close()
            again.clean()
            for each in (again, other, api):
                each.close()
        finally:
            down("sealing", folders, lambda _: None)


def open_session_when_active(service: Service) -> VaultSession:
    """The unseal is answered before the server is active."""
    ends = time.monotonic() + 60
    while True:
        try:
            return open_session(service)
        except ServiceError:
            assert time.monotonic() < ends
            time.sleep(0.02)


@pytest.mark.servers
class TestCannedAnswers:
    def test_recorded_answers_are_those_of_a_vault(self, service: Service, api: VaultApi) -> None:
        """The answers that the tests without a server rely on are what a real one says."""
        health = json.loads(api.ask("GET", "/sys/health").body)
        assert WELL.keys() <= health.keys()
        assert [False, True] == [health["sealed"], health["initialized"]]
        wrong = VaultApi(replace(service, credentials=Credentials("token", "hvs.wrong")))
        answer = wrong.ask("GET", "/auth/token/lookup-self")
        wrong.close()
        assert 403 == answer.status
        assert "permission denied" in json.loads(answer.body)["errors"][0]
        assert MARK not in str(everything(api)["policies"])
