"""What is Vault asked for, by prepared bytes and by the driver, and which answers are right?"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Address, Outcome
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.floor import Floor
from devperf_pipeline.services.http.protocol import as_object
from devperf_pipeline.services.operation import Driver, Operation, Step, Wire
from devperf_pipeline.services.vault.cleanup import (
    DOMAIN,
    KEPT,
    KEY_TYPE,
    TOKEN_TTL_S,
    OwnNames,
    VaultObjects,
    secret_of,
)
from devperf_pipeline.services.vault.client import VaultApi
from devperf_pipeline.services.vault.connection import EXCEPTIONS, VaultConnection, failure

USERS = (5,)
"""The published 1,200 reads a second of 4.2 ms each are five at the same time."""

WRITTEN = 10
"""How many keys a user writes in turn. Vault keeps ten versions of each, so they stop growing at once."""

TOKENS = 20_000
"""How many tokens a round may create; they are revoked before the next one."""

ISSUING_S = 0.03
"""A key is found in 20 to 150 ms."""

STRIDE = 7
"""Users begin at different secrets."""


def _fields(said: Mapping[str, Any]) -> str:
    """What was found, by the names of its fields: among the values may be tokens and keys."""
    return f"an answer with {', '.join(sorted(said)[:12]) or 'nothing'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    One operation: `asked` gives path and body of a user's call, `ask` makes the same call through the driver.

    `says` are bytes that are in every right answer, looked at on every call; `right` judges the part of the decoded
    answer that is `inside` these fields, where `expected` is, and `found` tells what is there instead.
    `cycle` is after how many calls the same is asked again. An `open` question needs no token; what else one `needs`
    beside a KV mount is as in `OwnNames.places`. `took_s` is as in `Operation`.
    """

    name: str
    title: str
    method: str
    asked: Callable[[int, int], tuple[str, dict[str, Any] | None]]
    ask: Callable[[Any, int, int], Any]
    says: bytes
    inside: tuple[str, ...] = ("data",)
    expected: str
    right: Callable[[Mapping[str, Any]], bool]
    found: Callable[[Mapping[str, Any]], str] = _fields
    cycle: int = 1
    needs: str = ""
    open: bool = False
    took_s: float = 0.0

    def wrong(self, said: Mapping[str, Any]) -> str | None:
        """What is wrong with a decoded answer, or None."""
        for name in self.inside:
            said = as_object(said.get(name))
        return None if self.right(said) else f"expected {self.expected}, found {self.found(said)}"


def questions(kv: str, own: OwnNames) -> Sequence[Question]:
    """The published rows, in their order; secrets are in the mount `kv`."""
    issued = {"common_name": f"service.{DOMAIN}", "ttl": "1h"}
    wanted = {"policies": [own.policy], "ttl": f"{TOKEN_TTL_S}s"}
    return (
        Question(
            name="kv-read",
            title="KV read (secret/data/*)",
            method="GET",
            asked=lambda user, call: (f"/{kv}/data/{own.kept(_spread(user, call))}", None),
            ask=lambda vault, user, call: vault.secrets.kv.v2.read_secret_version(
                own.kept(_spread(user, call)), mount_point=kv, raise_on_deleted_version=True
            ),
            says=b'"password":"',
            inside=("data", "data"),
            expected="one of our secrets",
            right=_is_secret,
            cycle=KEPT,
        ),
        Question(
            name="kv-write",
            title="KV write (secret/data/*)",
            method="POST",
            asked=lambda user, call: (
                f"/{kv}/data/{_written(own, user, call)}",
                {"data": secret_of(_spread(user, call))},
            ),
            ask=lambda vault, user, call: vault.secrets.kv.v2.create_or_update_secret(
                _written(own, user, call), secret_of(_spread(user, call)), mount_point=kv
            ),
            says=b'"version":',
            expected="the version that was written",
            right=lambda data: data.get("version", 0) > 0 and data.get("destroyed") is False,
            cycle=KEPT,
        ),
        Question(
            name="kv-list",
            title="KV list",
            method="LIST",
            asked=lambda _user, _call: (f"/{kv}/metadata/{own.folder}/kept", None),
            ask=lambda vault, _user, _call: vault.secrets.kv.v2.list_secrets(
                f"{own.folder}/kept", mount_point=kv
            ),
            says=f'"{KEPT - 1:03d}"'.encode(),
            expected=f"our {KEPT} keys",
            found=lambda data: f"{len(data.get('keys') or ())}: {data.get('keys')!r:.100}",
            right=lambda data: data.get("keys") == [f"{number:03d}" for number in range(KEPT)],
        ),
        Question(
            name="pki-issue",
            title="Certificate issue (PKI)",
            method="POST",
            asked=lambda _user, _call: (f"/{own.pki}/issue/{own.folder}", issued),
            ask=lambda vault, _user, _call: vault.secrets.pki.generate_certificate(
                own.folder, issued["common_name"], {"ttl": issued["ttl"]}, mount_point=own.pki
            ),
            says=b"-----BEGIN CERTIFICATE-----",
            expected=f"a certificate and its {KEY_TYPE} key",
            right=_is_certificate,
            needs="certificates",
            took_s=ISSUING_S,
        ),
        Question(
            name="token-create",
            title="Token create",
            method="POST",
            asked=lambda _user, _call: ("/auth/token/create", wanted),
            ask=lambda vault, _user, _call: vault.auth.token.create(**wanted),
            says=b'"client_token":"',
            inside=("auth",),
            expected="a child token with our policy",
            right=lambda auth: _is_token(auth, own.policy),
            needs="tokens",
        ),
        Question(
            name="health",
            title="Health check (sys/health)",
            method="GET",
            asked=lambda _user, _call: ("/sys/health", None),
            ask=lambda vault, _user, _call: vault.sys.read_health_status(method="GET"),
            says=b'"sealed":false',
            inside=(),
            expected="a Vault that is well",
            found=lambda said: f"{said!r:.200}",
            right=lambda said: (
                [said.get(each) for each in ("initialized", "sealed", "standby")] == [True, False, False]
            ),
            open=True,
        ),
        Question(
            name="seal-status",
            title="Seal status",
            method="GET",
            asked=lambda _user, _call: ("/sys/seal-status", None),
            ask=lambda vault, _user, _call: vault.sys.read_seal_status(),
            says=b'"sealed":false',
            inside=(),
            expected="an unsealed Vault",
            right=lambda said: said.get("sealed") is False,
            open=True,
        ),
    )


def floor_of(floor: Floor) -> Operation:
    """An empty 200 of a server that does nothing, through prepared bytes and through our driver."""

    def driver(connection: VaultConnection, _user: int, _size: int) -> Driver:
        floor.server.stand_with_us()
        vault = connection.vault(floor.server.address, "none")

        def wrong(answer: Any) -> str | None:
            status, body = getattr(answer, "status_code", None), getattr(answer, "content", None)
            return None if (status, body) == (200, b"") else f"expected an empty 200, found {answer!r:.100}"

        return _driver(lambda _call: vault.adapter.get("/v1/"), wrong)

    return replace(floor.operation(), driver=driver)


_driver = partial(Driver.judged, exceptions=EXCEPTIONS, failure=failure)


def operation(question: Question, address: Address, api: VaultApi, objects: VaultObjects) -> Operation:
    """A question as an operation. Tokens are asked for with the token of their parent, of which each round has its own."""
    creates = question.needs == "tokens"

    def reset(_users: int, _size: int) -> None:
        api.keep_alive()
        if creates:
            objects.new_parent()

    def wire(connection: VaultConnection, user: int, size: int) -> Wire:
        given = {} if question.open else api.headers(objects.parent if creates else None)
        prepared: list[bytes] = []
        for call in range(min(size, question.cycle)):
            path, body = question.asked(user, call)
            text = None if body is None else json.dumps(body, separators=(",", ":")).encode()
            prepared.append(
                protocol.encode(question.method, f"/v1{path}", address.called, text, headers=given)
            )
        calls = [(Step(data, protocol.complete),) for data in prepared]
        return Wire(
            sockets=[connection.take_socket(address)],
            calls=calls * size if creates else calls,
            check=lambda replies: _check(replies[0], question.says),
            verify=lambda replies: _wrong_reply(replies[0], question.wrong),
        )

    def driver(connection: VaultConnection, user: int, size: int) -> Driver:
        vault = connection.vault(address, objects.parent if creates else api.token)

        def wrong(answer: Any) -> str | None:
            # Where the status is not 200 the driver returns its response in the place of what it says.
            if not isinstance(answer, dict):
                return f"the driver returned {answer!r:.100}"
            return question.wrong(as_object(answer))

        return _driver(lambda call: question.ask(vault, user, call), wrong, size if creates else None)

    return Operation(
        name=question.name,
        title=question.title,
        users=USERS,
        wire=wire,
        driver=driver,
        # What needs no token is measured also when ours has ended.
        reset=None if question.open else reset,
        finite=creates,
        largest=TOKENS,
        repeatable=question.open,
        took_s=question.took_s,
    )


def _spread(user: int, call: int) -> int:
    return (user * STRIDE + call) % KEPT


def _written(own: OwnNames, user: int, call: int) -> str:
    return f"{own.folder}/written/{user}-{call % WRITTEN}"


def _check(reply: bytes, says: bytes) -> Outcome:
    outcome = protocol.check(reply)
    return Outcome.WRONG if outcome is Outcome.OK and says not in reply else outcome


def _wrong_reply(reply: bytes, wrong: Callable[[Mapping[str, Any]], str | None]) -> str | None:
    try:
        answer = protocol.parse(reply)
    except WrongAnswer as error:
        return str(error)
    said = protocol.json_object(answer.body)
    if answer.status != 200 or said is None:
        # Errors of Vault repeat nothing that is secret.
        return f"expected status 200, found {answer.status}: {answer.body[:200]!r}"
    return wrong(said)


def _is_secret(data: Mapping[str, Any]) -> bool:
    number = str(data.get("password", ""))[:3]
    return number.isdecimal() and data == secret_of(int(number))


def _is_certificate(data: Mapping[str, Any]) -> bool:
    return (
        str(data.get("certificate", "")).startswith("-----BEGIN CERTIFICATE-----")
        and "PRIVATE KEY-----" in str(data.get("private_key", ""))
        and data.get("private_key_type") == KEY_TYPE
    )


def _is_token(auth: Mapping[str, Any], policy: str) -> bool:
    return (
        bool(auth.get("client_token"))
        and auth.get("policies") == ["default", policy]
        and 0 < int(auth.get("lease_duration", 0)) <= TOKEN_TTL_S
        and auth.get("orphan") is False
    )
