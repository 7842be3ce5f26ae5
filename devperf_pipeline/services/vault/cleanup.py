"""
What is ours in a Vault, how is it told from what is not, and how does it leave, also after a run that was killed?

A KV version 2 mount `devperf-kv` and a PKI mount `devperf-pki`, told by their descriptions; the policy
`devperf-token`, told by its first line; tokens, which are children of one parent whose accessor is noted in KV before
anything is done with it. Where our token may not mount, the folder `devperf/` of a mount that is there is used,
told by a key with our mark.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devperf_pipeline.errors import ServiceError, ServiceRefused, WrongAnswer
from devperf_pipeline.model import Service
from devperf_pipeline.services.http.protocol import as_object
from devperf_pipeline.services.operation import DEADLINE_S, own_name
from devperf_pipeline.services.vault.client import VaultApi, decoded

MARK = "devperf_pipeline"
NOTE = "visit"
"""The key with our mark, and with the accessors of the tokens that are parents now."""

SHARED_KV = "secret"
"""The mount that is used where we may not make one and the stack file names none."""

KEPT = 100
"""How many secrets there are to be read and listed."""

KEY_TYPE, KEY_BITS = "rsa", 2048
"""What a certificate's key is: the default of a Vault role, and wide by nature, since primes are searched."""

DOMAIN = "devperf.test"
TOKEN_TTL_S = 3_600
"""Should we be killed and never come back, our tokens end by themselves."""

MAKING_A_KEY_S = 20.0
REVOKING_S = 120.0
"""A parent takes its children along: 20,000 of them are some seconds of work."""

POLICY_TEXT = f"""# made by {MARK}
path "auth/token/create" {{ capabilities = ["update"] }}
"""


def secret_of(number: int) -> dict[str, str]:
    """The secret of that number: the fields that a stack keeps for a database."""
    return {
        "user": f"user-{number:03d}",
        "password": f"{number:03d}-opens-nothing-at-all",
        "database": "devperf",
        "host": "127.0.0.1",
        "tls_enabled": "false",
    }


@dataclass(frozen=True, slots=True)
class OwnNames:
    """What is ours is called: two mounts, a policy, and in a KV mount the folder `folder` (also our role in the PKI)."""

    folder: str

    @property
    def kv(self) -> str:
        return f"{self.folder}-kv"

    @property
    def pki(self) -> str:
        return f"{self.folder}-pki"

    @property
    def policy(self) -> str:
        return f"{self.folder}-token"

    @property
    def places(self) -> Mapping[str, str]:
        """Where we make what is measured beside secrets."""
        return {"certificates": f"sys/mounts/{self.pki}", "tokens": f"sys/policies/acl/{self.policy}"}

    def kept(self, number: int) -> str:
        """Where the secret of that number is."""
        return f"{self.folder}/kept/{number:03d}"


class VaultObjects:
    """Our objects in one Vault. `absent` says of what could not be made why not: "certificates", "tokens"."""

    def __init__(self, service: Service, api: VaultApi) -> None:
        self._service = service
        self._api = api
        self.own = OwnNames(own_name(service))
        self.may = _capabilities(api, self.own)
        self.own_kv = self.may[f"sys/mounts/{self.own.kv}"]
        self.kv = self.own.kv if self.own_kv else service.database or SHARED_KV
        self.parent = ""
        self.absent: dict[str, str] = {}

    def names(self) -> list[str]:
        """What `claim` makes here, by kind and name."""
        unmade = self.unmade()
        kv = f"KV mount {self.own.kv}/" if self.own_kv else f"secrets {self.kv}/{self.own.folder}/*"
        pki = [] if "certificates" in unmade else [f"PKI mount {self.own.pki}/"]
        tokens = (
            []
            if "tokens" in unmade
            else [f"policy {self.own.policy}", f"tokens of the policy {self.own.policy}"]
        )
        return [kv, *pki, *tokens]

    def unmade(self) -> dict[str, str]:
        """What our token may not make, and why: "certificates", "tokens"."""
        return {
            what: self._not_allowed(place) for what, place in self.own.places.items() if not self.may[place]
        }

    def claim(self) -> None:
        """
        Remove what an earlier run left, make everything.

        Raises:
            ServiceRefused: something of our name is not ours, or there is no KV version 2 that we may use.

        """
        self.remove()
        self._claim_kv()
        self.absent = self.unmade()
        for what, make in (("certificates", self._make_pki), ("tokens", self._make_tokens)):
            if what in self.absent:
                continue
            try:
                make()
            except ServiceError as error:
                self.absent[what] = str(error)

    def new_parent(self) -> None:
        """End all our tokens; make a parent for the next ones."""
        self._revoke()
        made = self._api.do(
            "POST",
            "/auth/token/create",
            {
                "policies": [self.own.policy],
                "ttl": f"{TOKEN_TTL_S}s",
                "renewable": False,
                "display_name": self.own.folder,
                "meta": {"made-by": MARK},
            },
        )["auth"]
        self._note([made["accessor"]])
        self.parent = made["client_token"]

    def remove(self) -> None:
        """Remove what is ours; what has not our mark stays."""
        self.parent = ""
        if self._is_our_folder():
            self._revoke()
        if self.may[f"sys/policies/acl/{self.own.policy}"] and self._policy().startswith(
            POLICY_TEXT.splitlines()[0]
        ):
            self._api.do("DELETE", f"/sys/policies/acl/{self.own.policy}")
        for mount in (self.own.pki, self.own.kv):
            if self.may[f"sys/mounts/{mount}"] and self.description(mount) == MARK:
                self._api.do("DELETE", f"/sys/mounts/{mount}", deadline_s=REVOKING_S)
        if not self.own_kv and self._is_our_folder():
            for folder in ("kept/", "written/"):
                for key in self._keys(folder):
                    self._api.do("DELETE", f"/{self.kv}/metadata/{self.own.folder}/{folder}{key}")
            # The mark goes last: until then what is left is known to be ours.
            self._api.do("DELETE", f"/{self.kv}/metadata/{self.own.folder}/{NOTE}")

    def _claim_kv(self) -> None:
        if self.own_kv:
            self._mount(self.own.kv, {"type": "kv", "options": {"version": "2"}})
        else:
            self._refuse_other_than_version_2()
            if self._keys(""):
                raise ServiceRefused(
                    f"{self._api.where}: expected nothing at {self.kv}/{self.own.folder}/, found keys that this project did "
                    f"not make (there is no key {NOTE!r} with our mark). Rename or remove them."
                )
        self._await_versions()
        for number in range(KEPT):
            self._api.do("POST", f"/{self.kv}/data/{self.own.kept(number)}", {"data": secret_of(number)})

    def _await_versions(self) -> None:
        """Leave our mark as soon as the mount takes it: a new one says for a moment that it is being upgraded."""
        ends = time.monotonic() + DEADLINE_S
        while self._note([], patient=time.monotonic() < ends) == 400:
            time.sleep(0.02)

    def _make_pki(self) -> None:
        self._mount(self.own.pki, {"type": "pki", "config": {"max_lease_ttl": "8760h"}})
        root = {"common_name": DOMAIN, "ttl": "8759h", "key_type": KEY_TYPE, "key_bits": KEY_BITS}
        self._api.do("POST", f"/{self.own.pki}/root/generate/internal", root, deadline_s=MAKING_A_KEY_S)
        role = {
            "allowed_domains": DOMAIN,
            "allow_subdomains": True,
            "key_type": KEY_TYPE,
            "key_bits": KEY_BITS,
            "max_ttl": "24h",
            # Issued and forgotten: every round finds the mount as the first one did.
            "no_store": True,
        }
        self._api.do("POST", f"/{self.own.pki}/roles/{self.own.folder}", role)

    def _make_tokens(self) -> None:
        if self._policy():
            raise ServiceRefused(
                f"{self._api.where}: a policy {self.own.policy!r} exists that this project did not make. Rename or remove it."
            )
        self._api.do("POST", f"/sys/policies/acl/{self.own.policy}", {"policy": POLICY_TEXT})
        self.new_parent()

    def _mount(self, name: str, body: dict[str, Any]) -> None:
        if self.description(name) is not None:
            raise ServiceRefused(
                f"{self._api.where}: a mount {name}/ exists that this project did not make (its description is not "
                f"{MARK!r}). Move or disable it."
            )
        self._api.do("POST", f"/sys/mounts/{name}", {**body, "description": MARK})

    def description(self, mount: str) -> str | None:
        found = self._api.find(f"/sys/mounts/{mount}")
        return None if found is None else str(found.get("data", found).get("description", ""))

    def _policy(self) -> str:
        found = self._api.find(f"/sys/policies/acl/{self.own.policy}")
        return "" if found is None else str(found["data"]["policy"])

    def _refuse_other_than_version_2(self) -> None:
        found = self._api.find(f"/sys/internal/ui/mounts/{self.kv}")
        mount = as_object(as_object(found).get("data"))
        version = as_object(mount.get("options")).get("version", "1")
        if mount.get("type") != "kv" or version != "2":
            kind = str(mount.get("type") or "nothing")
            what = f"KV version {version}" if kind == "kv" else kind
            raise ServiceRefused(
                f"{self._api.where}: expected KV version 2 at {self.kv}/, found {what}. Name a mount of version 2 as "
                f"database of [services.{self._service.name}], or run `vault kv enable-versioning {self.kv}`."
            )

    def _keys(self, folder: str) -> list[str]:
        found = self._api.find(f"/{self.kv}/metadata/{self.own.folder}/{folder}", "LIST")
        return [] if found is None else list(found["data"]["keys"])

    def _noted(self) -> dict[str, Any]:
        """What the note says, empty where there is none."""
        answer = self._api.ask("GET", f"/{self.kv}/data/{self.own.folder}/{NOTE}")
        if answer.status // 100 != 2:
            # The mount is not there, or it is not ours to look into: then neither is a note of ours.
            return {}
        return as_object(as_object(decoded(answer).get("data")).get("data"))

    def _is_our_folder(self) -> bool:
        if self.own_kv and self.description(self.own.kv) != MARK:
            return False
        return self._noted().get("made-by") == MARK

    def _note(self, accessors: list[str], *, patient: bool = False) -> int:
        """Write the note; the status of the answer, which is 200, or 400 where we are `patient`."""
        path = f"/{self.kv}/data/{self.own.folder}/{NOTE}"
        answer = self._api.ask("POST", path, {"data": {"made-by": MARK, "accessors": accessors}})
        if answer.status != 200 and not (patient and answer.status == 400):
            raise self._api.refusal("POST", path, answer)
        return answer.status

    def _not_allowed(self, path: str) -> str:
        return (
            f"{self._api.where}: the token may not write {path}. Give its policy what docs/vault-policy.hcl lists, "
            "or use another token."
        )

    def _revoke(self) -> None:
        """End the parents that are noted, and with them their children."""
        accessors = [str(each) for each in self._noted().get("accessors") or ()]
        for accessor in accessors:
            path = "/auth/token/revoke-accessor"
            answer = self._api.ask("POST", path, {"accessor": accessor}, deadline_s=REVOKING_S)
            # An accessor that is not known any more belongs to a token that has ended.
            if answer.status // 100 != 2 and b"invalid accessor" not in answer.body:
                raise self._api.refusal("POST", path, answer)
        if accessors:
            self._note([])


def _capabilities(api: VaultApi, own: OwnNames) -> dict[str, bool]:
    """Of each place where we would make something: may we?"""
    places = [f"sys/mounts/{own.kv}", *own.places.values()]
    found = api.do("POST", "/sys/capabilities-self", {"paths": places})
    given: dict[str, list[str]] = found.get("data") or found
    if not all(isinstance(given.get(place), list) for place in places):
        raise WrongAnswer(
            f"{api.where}: sys/capabilities-self does not answer as Vault does. Look at its version."
        )
    return {place: bool({"root", "update", "create"} & set(given[place])) for place in places}
