"""What would disturb a measurement of Vault: what may our token not do, how long does it live, what is not ours?"""

from collections.abc import Iterator

from devperf_pipeline.services.vault.cleanup import MARK, NOTE, VaultObjects
from devperf_pipeline.services.vault.client import VaultApi

SHORT_LIFE_S = 600
"""A token that lives shorter may end during a quick baseline with what comes before and after it."""


def of_token(api: VaultApi, objects: VaultObjects) -> Iterator[str]:
    """One sentence each; nothing is created."""
    if not objects.own_kv:
        yield f"our token may not mount a KV of our own: the folder {objects.kv}/{objects.own.folder}/ is used"
        yield from _of_folder(api, objects.kv, objects.own.folder)
    for what, why in objects.unmade().items():
        yield f"{what} are not measured: missing privilege, {why}"
    life_s = int(api.lookup().get("ttl") or 0)
    if 0 < life_s < SHORT_LIFE_S:
        yield f"our token ends in {life_s} s, perhaps before the baseline does: log in again"
    for mount in (objects.own.pki, objects.own.kv):
        if objects.may[f"sys/mounts/{mount}"] and objects.description(mount) not in {None, MARK}:
            yield f"a mount {mount}/ exists that this project did not make: move it"


def _of_folder(api: VaultApi, kv: str, folder: str) -> Iterator[str]:
    needed = {
        f"{kv}/data/{folder}/{NOTE}": ("create", "update", "read"),
        f"{kv}/metadata/{folder}/{NOTE}": ("list", "delete"),
    }
    found = api.do("POST", "/sys/capabilities-self", {"paths": list(needed)})
    for place, wanted in needed.items():
        given: set[str] = set(found.get("data", found).get(place) or ())
        missing = [name for name in wanted if name not in given and "root" not in given]
        if missing:
            yield f"missing privilege: {', '.join(missing)} on {place}. docs/vault-policy.hcl has what is needed"
