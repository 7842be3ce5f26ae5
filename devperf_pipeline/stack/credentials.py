"""
How do credentials get from a Vault, or from a file, to the services that need them?

Read when a run begins, never kept on disk. What cannot be read costs its service and no other.
"""

import http.client
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hvac
import requests
from hvac.adapters import RawAdapter
from requests.adapters import HTTPAdapter

from devperf_pipeline.errors import ServiceError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Address, Credentials, Service, Stack, Tls, VaultField, VaultLogin
from devperf_pipeline.stack.connection_schema import SENDABLE, wrong_value
from devperf_pipeline.stack.secret import header_secrets
from devperf_pipeline.stack.tls import context, refusal

ANSWER_S = 3.0
LARGEST_ANSWER_BYTES = 1_000_000
APPROLE_LOGIN = "auth/approle/login"
REVOKE_SELF = "auth/token/revoke-self"


def with_credentials(stack: Stack) -> Stack:
    """
    The stack with everything filled in that a Vault or a file keeps; what could not be read is in `missing`, with the
    reason.
    """
    vault = CredentialVault(stack.vault) if stack.vault else None
    services: list[Service] = []
    missing = dict(stack.missing)
    for service in stack.services:
        try:
            services.append(_filled(service, vault))
        except ServiceError as error:
            services.append(service)
            missing[service.name] = f"{service.name}: {error}"
    if vault:
        vault.leave()
    return replace(stack, services=tuple(services), missing=missing, entered_with=vault.used if vault else {})


@dataclass(frozen=True, slots=True)
class Reader:
    """
    Reads credentials again from the Vault that keeps them. `stack` is as its file describes it.

    `used` are the secrets that were read and that it took to read them, under names that may be told.
    """

    stack: Stack
    used: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    def __call__(self, name: str) -> Service | None:
        """
        A service with its credentials as they are now, after a new login; None: no Vault keeps anything of it.

        Raises:
            ServiceError: they cannot be read; the message names the service, the path and the remedy.

        """
        service = self.stack.service(name)
        if self.stack.vault is None or not service.kept:
            return None
        vault = CredentialVault(self.stack.vault)
        try:
            found = _filled(service, vault)
        except ServiceError as error:
            raise type(error)(f"{name}: {error}") from error
        finally:
            vault.leave()
            number = len(self.used)
            self.used.update({f"{what} ({number})": secret for what, secret in vault.used.items()})
        self.used.update(
            {f"{what} ({len(self.used)})": value for what, value in header_secrets(found).items()}
        )
        if found.credentials is not None:
            self.used[f"the password of {name} ({len(self.used)})"] = found.credentials.password
        return found


@dataclass(slots=True)
class CredentialVault:
    """The Vault that keeps credentials, entered when it is first asked and once more when it refuses."""

    login: VaultLogin
    used: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    """The secrets of the way in, under names that may be told."""
    _token: str | None = field(default=None, repr=False)
    _problem: ServiceError | None = field(default=None, repr=False)

    def read(self, wanted: VaultField) -> str:
        """
        What is kept in one field.

        Raises:
            ServiceError: it cannot be read; the message names the place in the stack file, the path and the remedy.

        """
        status, answer = self._asked(wanted, self._entered())
        if status == http.client.FORBIDDEN:
            # The token may have ended since: whoever logs in again gets a new one.
            self._token = None
            status, answer = self._asked(wanted, self._entered())
        return _field(wanted, self._data(wanted, status, answer))

    def leave(self) -> None:
        """Have a token ended that a login of ours made: else it and its lease stay in the Vault for their whole time."""
        if self._token is not None and self.login.role_id_file is not None:
            with suppress(ServiceError):
                self._ask("POST", REVOKE_SELF, {}, token=self._token)
            self._token = None

    def _entered(self) -> str:
        """The token. A login that failed is not tried again for the next service."""
        if self._problem is not None:
            raise self._problem
        if self._token is None:
            try:
                self._token = self._log_in()
                self.used["the token that credentials are read with"] = self._token
            except ServiceError as error:
                self._problem = error
                raise
        return self._token

    def _log_in(self) -> str:
        login = self.login
        if login.token_variable is not None:
            token = os.environ.get(login.token_variable, "").strip()
            if not token:
                raise ServiceRefused(
                    f"{login.where}: expected a token in the environment variable {login.token_variable}, "
                    "found no such variable. Set it."
                )
            return _sendable(token, f"{login.where}: the environment variable {login.token_variable}")
        if login.token_file is not None:
            return _sendable(_content(login.where, login.token_file), f"{login.where}: {login.token_file}")
        assert login.role_id_file is not None
        assert login.secret_id_file is not None
        given = {
            "role_id": _content(login.where, login.role_id_file),
            "secret_id": _content(login.where, login.secret_id_file),
        }
        self.used["the secret-id that credentials are read with"] = given["secret_id"]
        status, answer = self._ask("POST", APPROLE_LOGIN, given)
        token = (answer.get("auth") or {}).get("client_token")
        if status == http.client.OK and isinstance(token, str):
            return token
        words = _errors(answer)
        if status == http.client.SERVICE_UNAVAILABLE:
            raise self._unavailable(APPROLE_LOGIN, status, words)
        files = {"role": f"role-id ({login.role_id_file})", "secret": f"secret-id ({login.secret_id_file})"}
        # Newer Vaults do not say which of the two it is.
        named = [file for word, file in files.items() if word in words.lower()] or list(files.values())
        raise ServiceRefused(
            f"{login.where}: expected {login.address} to accept AppRole's login, found {status}: {words}. "
            f"The {' or the '.join(named)} is wrong or has expired: write a new one, or look whether auth/approle is enabled."
        )

    def _asked(self, wanted: VaultField, token: str) -> tuple[int, dict[str, Any]]:
        return self._ask("GET", quote(wanted.path, safe="/"), token=token)

    def _data(self, wanted: VaultField, status: int, answer: dict[str, Any]) -> Mapping[str, Any]:
        """The fields at a path: of a mount of KV version 2, or of any other."""
        words = _errors(answer)
        at = f"{wanted.where}: expected {wanted.path} in the Vault at {self.login.address}"
        if status == http.client.FORBIDDEN:
            raise ServiceRefused(
                f"{at} to be readable, found 403: {words}. The token is wrong, has expired, or its policy does not "
                f"allow reading that path: log in again, or allow it ({self.login.where})."
            )
        if status == http.client.NOT_FOUND:
            parts = wanted.path.split("/")
            advice = (
                "Write the secret, or correct the path."
                if "data" in parts
                else f"Paths of KV version 2 have data after the mount: {parts[0]}/data/{'/'.join(parts[1:])}."
            )
            raise WrongAnswer(f"{at}, found nothing there (404: {words}). {advice}")
        if status == http.client.SERVICE_UNAVAILABLE:
            raise self._unavailable(wanted.path, status, words)
        data = answer.get("data")
        if status != http.client.OK or not isinstance(data, dict):
            raise WrongAnswer(f"{at}, found {status}: {words}. Correct the path or the address.")
        if "metadata" in data and "data" in data:
            data = data["data"]
        return data or {}

    def _unavailable(self, path: str, status: int, words: str) -> ServiceError:
        sealed = "sealed" in words.lower()
        return ServiceRefused(
            f"{self.login.where}: expected the Vault at {self.login.address} to answer {path}, found "
            + (
                "it sealed. Run `vault operator unseal`."
                if sealed
                else f"{status}: {words}. Look at its log."
            )
        )

    def _ask(
        self, method: str, path: str, body: Mapping[str, str] | None = None, *, token: str = ""
    ) -> tuple[int, dict[str, Any]]:
        address = self.login.address
        with session_to(address) as session:
            client = hvac.Client(
                url=address.url,
                # An empty token is one: without any hvac would look for one in the environment and at home.
                token=token,
                timeout=ANSWER_S,  # pyright: ignore[reportArgumentType] - seconds, of which requests takes parts, too
                allow_redirects=False,
                session=session,
                adapter=RawAdapter,
                ignore_exceptions=True,
            )
            try:
                answer: requests.Response = client.adapter.request(
                    method, f"/v1/{path}", json=body, stream=True
                )
                with answer:
                    found = json.loads(_body(answer) or b"{}")
            except OSError as error:
                if refused := refusal(self.login.where, address, error):
                    raise refused from error
                # What requests and urllib3 say of it begins with their own names.
                reason = error.__cause__ or error
                while reason.__context__ is not None:
                    reason = reason.__context__
                if not isinstance(reason, OSError):
                    raise WrongAnswer(self._no_vault(f"no HTTP ({type(reason).__name__})")) from error
                raise ServiceUnreachable(
                    f"{self.login.where}: expected a Vault at {address}, found none ({reason}). "
                    "Start it, or correct its address."
                ) from error
            except ValueError as error:
                raise WrongAnswer(self._no_vault(f"no answer in JSON ({type(error).__name__})")) from error
        if not isinstance(found, dict):
            raise WrongAnswer(self._no_vault("an answer that is no JSON object"))
        return answer.status_code, found

    def _no_vault(self, found: str) -> str:
        return (
            f"{self.login.where}: expected a Vault at {self.login.address.url}, found {found}. "
            "Correct its address, or what it says of tls."
        )


class _TlsAdapter(HTTPAdapter):
    """Lets `requests` connect as the stack file says, and not as it would by itself."""

    def __init__(self, tls: Tls) -> None:
        self._context = context(tls)
        super().__init__()

    def init_poolmanager(self, *given: Any, **more: Any) -> None:
        super().init_poolmanager(*given, **more, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing is added to the context."""

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The host alone: what `requests` would check is in the context."""
        return super().build_connection_pool_key_attributes(request, verify, cert)[0], {}


def session_to(address: Address) -> requests.Session:
    """A session of `requests` for one address: without a proxy of the environment, encrypted where it says so."""
    session = requests.Session()
    session.trust_env = False
    if address.tls:
        session.mount("https://", _TlsAdapter(address.tls))
    return session


def _filled(service: Service, vault: CredentialVault | None) -> Service:
    read: dict[str, str] = {}
    if vault is not None:
        read = {name: vault.read(where) for name, where in service.kept.items()}
    for name, path in service.files.items():
        read[name] = _content(f"its {name}", path)
    if not read:
        return service
    headers = {
        name: replace(
            header, value=_sendable_header(service, name, read.get(f"headers.{name}", header.value))
        )
        for name, header in service.headers.items()
    }
    known = service.credentials
    username = read.get("username", known.username if known else "")
    password = read.get("password", known.password if known else "")
    return replace(
        service,
        credentials=Credentials(username, password) if username or password else None,
        database=read.get("database", service.database),
        kept={},
        files={},
        headers=headers,
    )


def _sendable_header(service: Service, name: str, value: str) -> str:
    if wrong := wrong_value(value):
        raise WrongAnswer(f"services.{service.name}.headers.{name}: expected {SENDABLE}, found {wrong}.")
    return value


def _field(wanted: VaultField, data: Mapping[str, Any]) -> str:
    if wanted.field not in data:
        raise WrongAnswer(
            f"{wanted.where}: expected the field {wanted.field!r} at {wanted.path}, found "
            f"{', '.join(sorted(map(str, data))) or 'no field'}. Correct its name, or write it."
        )
    value = data[wanted.field]
    if not isinstance(value, str) or not value:
        # What was found is not shown: it may be most of a password.
        raise WrongAnswer(
            f"{wanted.where}: expected text in the field {wanted.field!r} at {wanted.path}, found "
            f"{'nothing' if value is None or value == '' else 'something else'}. Write it again, in quotes."
        )
    return value


def _content(where: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ServiceRefused(
            f"{where}: expected to read {path}, found that it cannot be read ({why}). "
            "Correct its path, or make it readable."
        ) from error
    if not text:
        raise ServiceRefused(f"{where}: expected {path} to hold one line, found it empty. Write it again.")
    return text


def _sendable(token: str, where: str) -> str:
    """The token, if it can be one: it becomes a line of a request."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ServiceRefused(
            f"{where}: expected a token of letters, digits and signs, found other characters. Write it again."
        )
    return token


def _body(answer: requests.Response) -> bytes:
    """The answer, which may take no longer and be no larger than one of a Vault."""
    deadline, body = time.monotonic() + ANSWER_S, b""
    # Byte by byte: it waits until it has as many as it is asked for.
    for part in answer.iter_content(1):
        body += part
        if len(body) > LARGEST_ANSWER_BYTES:
            raise ValueError("too large")
        if time.monotonic() > deadline:
            raise requests.Timeout(f"no whole answer within {ANSWER_S:g} s")
    return body


def _errors(answer: Mapping[str, Any]) -> str:
    told = [*(answer.get("errors") or ()), *(answer.get("warnings") or ())]
    return "; ".join(" ".join(str(each).split())[:200] for each in told) or "no reason given"
