"""
How does the API use MySQL, or MariaDB?
"""

import asyncmy
from asyncmy.cursors import DictCursor
from asyncmy.errors import MySQLError

from reference_api.configuration import Database


class MySQL:
    """
    A pool of connections, each made when it is first needed.
    """

    name = "mysql"
    errors = (MySQLError, OSError)
    query = "select cast(current_timestamp(6) as char) as now, database() as `database`"

    def __init__(self, settings: Database) -> None:
        self._settings = settings

    async def open(self) -> None:
        self._pool = await asyncmy.create_pool(
            minsize=0,
            maxsize=10,
            host=self._settings.host,
            port=self._settings.port,
            user=self._settings.user,
            # As text the driver would say it in Latin-1.
            password=self._settings.password.get_secret_value().encode(),
            db=self._settings.database,
            autocommit=True,
            connect_timeout=2,
            charset="utf8mb4",
        )

    async def check(self) -> str:
        row = await self._row("select version() as version")
        return row["version"]

    async def ask_example(self) -> dict[str, str]:
        """
        The row of `query`.
        """
        return await self._row(self.query)

    async def close(self) -> None:
        self._pool.close()
        await self._pool.wait_closed()

    async def _row(self, query: str) -> dict[str, str]:
        async with self._pool.acquire() as connection, connection.cursor(cursor=DictCursor) as cursor:
            await cursor.execute(query)
            return await cursor.fetchone()
