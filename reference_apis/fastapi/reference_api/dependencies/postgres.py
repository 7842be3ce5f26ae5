"""
How does the API use PostgreSQL?
"""

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from reference_api.configuration import Database
from reference_api.dependencies.dependency import DEADLINE_S


class Postgres:
    """
    A pool of connections. Autocommit: a single statement is its own transaction, in one round trip.
    """

    name = "postgres"
    errors = (psycopg.Error, OSError)
    query = "select current_timestamp::text as now, current_database()::text as database"

    def __init__(self, settings: Database) -> None:
        self._pool = AsyncConnectionPool(
            kwargs={
                "host": settings.host,
                "port": settings.port,
                "user": settings.user,
                "password": settings.password.get_secret_value(),
                "dbname": settings.database,
                "autocommit": True,
                "connect_timeout": 2,
                "row_factory": dict_row,
            },
            min_size=1,
            max_size=10,
            open=False,
            timeout=DEADLINE_S,
            # Give up soon, so that the next request tries anew instead of waiting for a longer and longer pause.
            reconnect_timeout=1,
        )

    async def open(self) -> None:
        await self._pool.open(wait=False)

    async def check(self) -> str:
        row = await self._row("select current_setting('server_version') as version")
        return row["version"]

    async def ask_example(self) -> dict[str, str]:
        """
        The row of `query`.
        """
        return await self._row(self.query)

    async def close(self) -> None:
        await self._pool.close()

    async def _row(self, query: str) -> dict[str, str]:
        try:
            async with self._pool.connection() as connection:
                row = await (await connection.execute(query)).fetchone()
        except psycopg.OperationalError:
            # After a restart of the server every pooled connection is dead: replace them all now.
            await self._pool.check()
            raise
        assert row is not None, "a select without a from has one row"
        return row
