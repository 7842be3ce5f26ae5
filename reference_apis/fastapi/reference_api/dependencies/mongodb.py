"""
How does the API use MongoDB?
"""

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from reference_api.configuration import MongoDB as Settings


class MongoDB:
    """
    A client with a pool of its own.
    """

    name = "mongodb"
    errors = (PyMongoError, OSError)
    query = "listCollections"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def open(self) -> None:
        self._client = AsyncMongoClient(
            self._settings.uri.get_secret_value(),
            connect=False,
            serverSelectionTimeoutMS=1_500,
            connectTimeoutMS=1_500,
        )

    async def check(self) -> str:
        return (await self._client.admin.command("buildInfo"))["version"]

    async def ask_example(self) -> dict[str, str | list[str]]:
        """
        The names of the collections.
        """
        names = await self._client[self._settings.database].list_collection_names()
        return {"database": self._settings.database, "collections": sorted(names)}

    async def close(self) -> None:
        await self._client.close()
