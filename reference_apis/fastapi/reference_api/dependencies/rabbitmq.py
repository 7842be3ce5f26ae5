"""
How does the API use RabbitMQ?
"""

import asyncio

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError, DeliveryError

from reference_api.configuration import RabbitMQ as Settings


class RabbitMQ:
    """
    One connection and one channel with publisher confirms, made when first needed and made anew when closed.
    """

    name = "rabbitmq"
    errors = (AMQPError, OSError, RuntimeError)  # aiormq raises RuntimeError on a channel that just closed

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connecting = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._declared: set[str] = set()

    async def open(self) -> None:
        """
        Nothing to do: the connection is made when first needed.
        """

    async def check(self) -> str:
        """
        Open a channel and close it again: a round trip that needs no privilege and leaves nothing behind.
        """
        connection = await self._connected()
        async with connection.channel(publisher_confirms=False):
            return str(connection.transport.connection.server_properties["version"])

    async def publish(self, queue: str, body: bytes) -> None:
        """
        Lay a persistent message into a durable queue; done when the broker has confirmed it.
        """
        message = aio_pika.Message(
            body,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        channel = await self._publishing()
        if queue not in self._declared:
            await self._declare(channel, queue)
        try:
            await channel.default_exchange.publish(message, routing_key=queue)
        except DeliveryError:
            # Somebody deleted the queue since we declared it.
            await self._declare(channel, queue)
            await channel.default_exchange.publish(message, routing_key=queue)

    async def delete(self, queue: str) -> int:
        """
        Remove a queue; how many messages were in it.
        """
        self._declared.discard(queue)
        channel = await self._publishing()
        return (await channel.queue_delete(queue)).message_count or 0

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _declare(self, channel: AbstractChannel, queue: str) -> None:
        await channel.declare_queue(queue, durable=True)
        self._declared.add(queue)

    async def _connected(self) -> AbstractConnection:
        async with self._connecting:
            # Not `is_closed`: that only knows whether we closed it ourselves.
            if self._connection is None or not self._connection.connected.is_set():
                self._connection = await aio_pika.connect(
                    host=self._settings.host,
                    port=self._settings.port,
                    login=self._settings.user,
                    password=self._settings.password.get_secret_value(),
                    virtualhost=self._settings.vhost,
                    timeout=2,
                )
                self._channel = None
            return self._connection

    async def _publishing(self) -> AbstractChannel:
        connection = await self._connected()
        async with self._connecting:
            if self._channel is None or self._channel.is_closed:
                self._declared.clear()
                self._channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            return self._channel
