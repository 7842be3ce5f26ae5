"""
How does the API use Redis, one node or a cluster?
"""

from redis.asyncio import BlockingConnectionPool, RedisCluster
from redis.asyncio import Redis as OneNode
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from reference_api.configuration import Redis as Settings


class Redis:
    """
    A client with a pool. A broken connection is replaced once, at once; the caller is told after that.
    """

    name = "redis"
    errors = (RedisError, RedisClusterException, OSError)  # the second is no RedisError

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def open(self) -> None:
        password = self._settings.password
        options = {
            "password": password.get_secret_value() if password else None,
            "socket_connect_timeout": 1,
            "socket_timeout": 2,
            "decode_responses": True,
            "retry": Retry(NoBackoff(), 1),
        }
        if self._settings.cluster:
            nodes = [ClusterNode(host, port) for host, port in self._settings.addresses]
            self._client = RedisCluster(startup_nodes=nodes, **options)
        else:
            host, port = self._settings.addresses[0]
            pool = BlockingConnectionPool(host=host, port=port, max_connections=32, timeout=2, **options)
            self._client = OneNode.from_pool(pool)

    async def check(self) -> str:
        if isinstance(self._client, RedisCluster):
            states = await self._client.cluster_info(target_nodes=RedisCluster.ALL_NODES)
            for node, state in states.items():
                if state["cluster_state"] != "ok":
                    raise RedisError(f"{node} says cluster_state:{state['cluster_state']}")
            server = await self._client.info("server", target_nodes=RedisCluster.RANDOM)
        else:
            server = await self._client.info("server")
        return server["redis_version"]

    async def get(self, key: str) -> str | None:
        """
        The value at a key; None if there is none.
        """
        return await self._client.get(key)

    async def set(self, key: str, value: str, ttl: int | None) -> None:
        """
        Keep a value, for `ttl` seconds or for ever.
        """
        await self._client.set(key, value, ex=ttl)

    async def delete(self, key: str) -> bool:
        """
        Remove a key; whether it had been there.
        """
        return await self._client.delete(key) == 1

    async def close(self) -> None:
        await self._client.aclose()
