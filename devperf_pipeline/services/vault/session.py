"""
How is Vault measured?

Five users read, write and list secrets, have certificates issued, create tokens, and ask how the server is.
"""

from collections.abc import Sequence

from devperf_pipeline.model import Facts, Service
from devperf_pipeline.services.http.floor import Floor
from devperf_pipeline.services.operation import Operation, Session
from devperf_pipeline.services.vault.cleanup import KEY_BITS, KEY_TYPE, TOKEN_TTL_S, VaultObjects
from devperf_pipeline.services.vault.client import VaultApi
from devperf_pipeline.services.vault.connection import EXCEPTIONS, VaultConnection
from devperf_pipeline.services.vault.preflight import of_token
from devperf_pipeline.services.vault.workload import floor_of, operation, questions


def open_session(service: Service) -> "VaultSession":
    """A session with a Vault; raises a `ServiceError`."""
    api = VaultApi(service)
    try:
        api.ready()
        return VaultSession(service, api, VaultObjects(service, api))
    finally:
        # Between here and the first question minutes may pass; it then connects again.
        api.close()


class VaultSession(Session):
    """A session with one Vault. See `operation.Session`."""

    exceptions = EXCEPTIONS

    def __init__(self, service: Service, api: VaultApi, objects: VaultObjects) -> None:
        super().__init__()
        self._service = service
        self._api = api
        self._objects = objects
        self._floor = Floor()

    def facts(self) -> Facts:
        """Version and storage, and what is measured with."""
        said = self._api.do("GET", "/sys/seal-status")
        health = self._api.do("GET", "/sys/health")
        version, storage = str(said["version"]), str(said.get("storage_type", "unknown"))
        # OpenBao began to count at 2 and says nothing of an edition.
        product = "OpenBao (Vault's API)" if version >= "2" and "enterprise" not in health else "Vault"
        whose = "our own" if self._objects.own_kv else "shared: our token may not mount one"
        return Facts(
            product=f"{product} {version}",
            version=version,
            settings={
                "storage": f"{storage} (in memory, as in development mode)"
                if storage == "inmem"
                else storage,
                "seal": str(said.get("type", "unknown")),
                "kv": f"version 2, mount {self._objects.kv}/ ({whose})",
                "certificates": f"{KEY_TYPE} {KEY_BITS}, issued with their key, not stored",
                "tokens": f"service tokens of {TOKEN_TTL_S // 3600} h, children of one parent",
            },
        )

    def objects(self) -> Sequence[str]:
        """Our mounts, our policy and our tokens, as far as our token may make them."""
        return self._objects.names()

    def assume(self) -> None:
        """Start our own server, which is the floor, and nothing in Vault."""
        self._floor.start()
        self._objects.absent = self._objects.unmade()

    def preflight(self) -> Sequence[str]:
        return list(of_token(self._api, self._objects))

    def prepare(self) -> None:
        """Remove what an earlier run left, make our mounts, our policy and our secrets. See `VaultObjects.claim`."""
        self.clean()
        self._floor.start()
        self._objects.claim()
        absent = self._objects.absent
        self.unmeasurable = {
            each.title: absent[each.needs]
            for each in questions(self._objects.kv, self._objects.own)
            if each.needs in absent
        }

    def operations(self) -> Sequence[Operation]:
        """The floor and the published rows that can be measured with our token."""
        return [
            floor_of(self._floor),
            *(
                operation(each, self._service.address, self._api, self._objects)
                for each in questions(self._objects.kv, self._objects.own)
                if each.needs not in self._objects.absent
            ),
        ]

    def connect(self) -> VaultConnection:
        return VaultConnection()

    def renew(self, service: Service) -> None:
        self._api.enter(service)
        self._service = service

    def clean(self) -> None:
        """Remove our mounts, our policy and our tokens, and stop our own server."""
        self._floor.stop()
        self._objects.remove()

    def close(self) -> None:
        self._floor.stop()
        self._api.close()
