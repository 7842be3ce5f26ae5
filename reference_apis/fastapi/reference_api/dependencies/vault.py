"""
How does the API use Vault?
"""

import httpx
from pydantic import JsonValue

from reference_api.configuration import Vault as Settings
from reference_api.dependencies.dependency import DEADLINE_S

MASKED = "********"


class Vault:
    """
    An HTTP client with kept connections. Secrets are read each time they are asked for, never kept.
    """

    name = "vault"
    errors = (httpx.HTTPError, OSError, KeyError, ValueError)  # the last two: it is not Vault that answers

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def open(self) -> None:
        self._client = httpx.AsyncClient(
            base_url=self._settings.address,
            headers={"X-Vault-Token": self._settings.token.get_secret_value()},
            timeout=DEADLINE_S,
            trust_env=False,
        )

    async def check(self) -> str:
        answer = await self._client.get("/v1/sys/health")
        return answer.raise_for_status().json()["version"]

    async def read(self, service: str) -> tuple[dict[str, JsonValue], int] | None:
        """
        The newest secret of a service, its passwords masked, and its version; None if there is none.
        """
        answer = await self._client.get(f"/v1/secret/data/{service}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found = answer.raise_for_status().json()["data"]
        shown = {name: MASKED if "password" in name else value for name, value in found["data"].items()}
        return shown, found["metadata"]["version"]

    async def close(self) -> None:
        await self._client.aclose()
