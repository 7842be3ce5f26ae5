"""How is Vault asked outside of any measurement, and what does it mean when it says no?"""

import json
import time
from typing import Any

from devperf_pipeline.errors import ServiceError, ServiceRefused, WrongAnswer
from devperf_pipeline.model import Service
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.client import HttpClient
from devperf_pipeline.services.http.protocol import Answer, as_object, json_object
from devperf_pipeline.services.operation import DEADLINE_S
from devperf_pipeline.services.probe import probe, show

SOONEST_S = 0.2
"""After so long a token that is about to end is looked at again."""

STANDBY = frozenset({429, 472, 473})
"""How sys/health answers where another node is the active one."""


class VaultApi:
    """A session's way to ask Vault, with the token of the stack file. Every answer comes within its deadline."""

    def __init__(self, service: Service) -> None:
        self.where = service.where
        self._client = HttpClient(service.where, service.address)
        self._look_at_s: float | None = None
        self._take(service)

    def _take(self, service: Service) -> None:
        self._service = service
        self.token = service.credentials.password if service.credentials else ""

    def enter(self, service: Service) -> None:
        """Ask with another token from now on; raises a `ServiceError` where Vault does not take it."""
        self._take(service)
        self.ready()

    def keep_alive(self) -> None:
        """Have the token renewed once half of its time is over; raises a `ServiceRefused` where it has ended."""
        due_s = self._look_at_s
        if due_s is None or time.monotonic() < due_s:
            return
        self._look_at_s = None
        try:
            # Where it is not renewed, the look tells how long it still lasts.
            self.ask("POST", "/auth/token/renew-self", {})
            self._look()
        except ServiceError:
            self._look_at_s = due_s
            raise

    def _look(self) -> None:
        """Ask what our token is, and note when to look again: half of its time ahead; never, where it does not end."""
        said = self.lookup()
        # Whole seconds are told: 0 is less than one, or for ever, and then there is no time at which it ends.
        ends = said.get("expire_time") is not None
        self._look_at_s = time.monotonic() + max(said.get("ttl", 0) / 2, SOONEST_S) if ends else None

    def lookup(self) -> dict[str, Any]:
        """What Vault knows of our token."""
        return as_object(self.do("GET", "/auth/token/lookup-self").get("data"))

    def headers(self, token: str | None = None) -> dict[str, str]:
        """What every request carries, as the driver sends it too."""
        return {"X-Vault-Request": "true", "X-Vault-Token": self.token if token is None else token}

    def ready(self) -> None:
        """Make sure that an unsealed, active Vault answers here, and that it knows our token; raises a `ServiceError`."""
        request = protocol.encode("GET", "/v1/sys/health", self._service.address.called)
        received = probe(self._service, self._service.address, send=request, enough=protocol.complete)
        try:
            answer = protocol.parse(received)
            said = decoded(answer)
            initialized, sealed = said["initialized"], said["sealed"]
        except (WrongAnswer, KeyError) as error:
            raise WrongAnswer(
                f"{self.where}: expected a Vault, which answers sys/health with its state, found {show(received)}. "
                "Correct the address in the stack file (its key tls says whether by https), or look at what listens there."
            ) from error
        if not initialized:
            raise ServiceRefused(
                f"{self.where}: expected an initialised Vault, found a new one. "
                "Run `vault operator init`, then `vault operator unseal`."
            )
        if sealed:
            raise self.sealed()
        if answer.status in STANDBY:
            raise ServiceRefused(
                f"{self.where}: expected the active node, found a standby (sys/health answers {answer.status}). "
                f"Put the active node's address into the stack file{self._leader()}."
            )
        if not self.token:
            raise ServiceRefused(
                f"{self.where}: expected a token, found none in the stack file. "
                f'Add to [services.{self._service.name}]: password = {{ env = "VAULT_TOKEN" }}.'
            )
        if not (self.token.isascii() and self.token.isprintable()) or " " in self.token:
            raise ServiceRefused(
                f"{self.where}: expected a token of letters, digits and signs, found other characters in it. "
                f"Look at the password of [services.{self._service.name}]: a line break may have come along."
            )
        self._look()

    def sealed(self) -> ServiceRefused:
        """What is said of a sealed Vault."""
        return ServiceRefused(
            f"{self.where}: expected an unsealed Vault, found it sealed: it answers nothing but its health. "
            "Run `vault operator unseal`."
        )

    def do(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, deadline_s: float = DEADLINE_S
    ) -> dict[str, Any]:
        """The decoded answer; raises a `ServiceError` where it is no success, which says why and what to do."""
        answer = self.ask(method, path, body, deadline_s=deadline_s)
        if answer.status // 100 != 2:
            raise self.refusal(method, path, answer)
        return decoded(answer)

    def find(self, path: str, method: str = "GET") -> dict[str, Any] | None:
        """The decoded answer, or None where there is nothing at that path; raises a `ServiceError` where it is neither."""
        answer = self.ask(method, path)
        # A mount that does not exist is a bad request to Vault, everything else that does not is not found.
        if answer.status == 404 or (answer.status == 400 and path.startswith("/sys/mounts/")):
            return None
        if answer.status // 100 != 2:
            raise self.refusal(method, path, answer)
        return decoded(answer)

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, deadline_s: float = DEADLINE_S
    ) -> Answer:
        """Whatever is answered; raises a `ServiceError` where nothing is."""
        self.keep_alive()
        text = None if body is None else json.dumps(body).encode()
        return self._client.ask(method, f"/v1{path}", text, headers=self.headers(), deadline_s=deadline_s)

    def refusal(self, method: str, path: str, answer: Answer) -> ServiceError:
        """What is said of an answer that is no success."""
        words = "; ".join(_errors(answer)) or "no reason given"
        asked = f"{self.where} answers {answer.status} to {method} {path}: {words}."
        if answer.status == 503 and "sealed" in words:
            return self.sealed()
        if answer.status == 403 and (path == "/auth/token/lookup-self" or "invalid token" in words):
            return ServiceRefused(
                f"{asked} The token is wrong, has expired or was revoked. "
                f"Log in again (`vault login`) and give the new one as password of [services.{self._service.name}]."
            )
        if answer.status == 403:
            return ServiceRefused(
                f"{asked} The token may not do that. Give its policy what docs/vault-policy.hcl lists, "
                "or use another token."
            )
        if answer.status == 404:
            return WrongAnswer(f"{asked} Nothing is there. Look at the path, or at who removed it.")
        return WrongAnswer(f"{asked} Look at Vault's log.")

    def close(self) -> None:
        """End the connection; the next question makes a new one."""
        self._client.close()

    def _leader(self) -> str:
        found = self.ask("GET", "/sys/leader")
        leader = decoded(found).get("leader_address") if found.status == 200 else None
        return f": {str(leader)[:100]}" if leader else ""


def decoded(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer; empty where there is none."""
    return json_object(answer.body) or {}


def _errors(answer: Answer) -> list[str]:
    found = decoded(answer)
    # What a v2 path finds on a v1 mount, and the other way round, stands among the warnings.
    told: list[Any] = [*(found.get("errors") or ()), *(found.get("warnings") or ())]
    return [" ".join(str(each).split())[:200] for each in told if each]
