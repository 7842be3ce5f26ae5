"""How is one connection to RabbitMQ made, shared between driver and engine, and what do its errors mean?"""

import logging
import socket
import ssl
from contextlib import suppress
from typing import Any

import pika
from pika.exceptions import (
    AMQPConnectionError,
    AMQPError,
    AuthenticationError,
    ChannelClosedByBroker,
    ChannelError,
    ConnectionBlockedTimeout,
    ConnectionClosedByBroker,
    IncompatibleProtocolError,
    NackError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    ProtocolSyntaxError,
    UnroutableError,
)

from devperf_pipeline.errors import ServiceError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Credentials, Outcome, Service
from devperf_pipeline.services.operation import DEADLINE_S
from devperf_pipeline.services.probe import hung_up_after
from devperf_pipeline.stack.tls import context, refusal

MARK = "devperf_pipeline"
"""What our connections, our vhost and our queues carry."""

EXCEPTIONS: tuple[type[Exception], ...] = (AMQPError, ChannelError, OSError)


class RabbitConnection:
    """One user's connection, used in turn by the driver and by the engine."""

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self._connection = connection
        self._drivers = _socket_of(connection)
        # One open connection, mostly under two descriptors: shutting it down ends what the driver waits for, too.
        encrypts = isinstance(self._drivers, ssl.SSLSocket)
        self.socket = self._drivers if encrypts else self._drivers.dup()
        self._channel: Any = None

    def fresh_channel(self, *, confirm: bool = False) -> Any:
        """
        A new `BlockingChannel` in the place of the last one; the driver's own types are incomplete.

        Tags count from 1, and what was not acknowledged goes back.
        """
        # The driver counts on a socket that never waits, and the engine may have left it otherwise.
        self._drivers.setblocking(False)
        with hung_up_after(self.socket):
            if self._channel is not None and self._channel.is_open:
                self._channel.close()
            self._channel = self._connection.channel()
            if confirm:
                self._channel.confirm_delivery()
        return self._channel

    def send(self, data: bytes) -> None:
        """Send past the driver, which finds its socket as it left it."""
        self.socket.settimeout(DEADLINE_S)
        self.socket.sendall(data)
        self._drivers.setblocking(False)

    def close(self) -> None:
        """End it."""
        with suppress(*EXCEPTIONS), hung_up_after(self.socket, 1):
            self._drivers.setblocking(False)
            self._connection.close()
        self.socket.close()


def connect(service: Service, vhost: str) -> RabbitConnection:
    """
    A connection to one vhost, authenticated; raises a `ServiceError`.

    It has no heartbeats: nothing is sent that we do not measure.
    """
    # The driver logs a traceback for every failed connection; ours is one sentence.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    credentials = service.credentials or Credentials("guest", "guest")
    address = service.address
    parameters = pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        ssl_options=pika.SSLOptions(context(address.tls), address.host) if address.tls else None,
        virtual_host=vhost,
        credentials=pika.PlainCredentials(credentials.username, credentials.password),
        heartbeat=0,
        connection_attempts=1,
        socket_timeout=DEADLINE_S,
        stack_timeout=DEADLINE_S,
        blocked_connection_timeout=DEADLINE_S,
        client_properties={"connection_name": MARK},
    )
    try:
        return RabbitConnection(pika.BlockingConnection(parameters))
    except EXCEPTIONS as error:
        raise explanation(service, error) from error


def explanation(service: Service, error: Exception) -> ServiceError:
    """The error of ours for an error of the driver, in the broker's own words."""
    where = service.where
    if refused := refusal(where, service.address, error):
        return refused
    match error:
        case ProbableAuthenticationError() | AuthenticationError() | ProbableAccessDeniedError():
            return ServiceRefused(
                f"{where} refuses our credentials: {error}. Correct user name, password and vhost."
            )
        case ConnectionClosedByBroker() | ChannelClosedByBroker():
            return ServiceRefused(
                f"{where} refuses: {error.reply_code} {error.reply_text}. Look at our privileges."
            )
        case ConnectionBlockedTimeout():
            return ServiceRefused(f"{where} blocks publishers: {error}. Look at its memory and disk alarms.")
        case IncompatibleProtocolError() | ProtocolSyntaxError():
            return WrongAnswer(f"{where} does not speak AMQP 0-9-1: {error!r}. Correct the address.")
        case _:
            return ServiceUnreachable(
                f"{where} cannot be reached or does not answer within {DEADLINE_S:g} s: {error!r:.200}. Look at the server."
            )


def failure(error: Exception) -> Outcome:
    """How a call ended that the driver raised."""
    match error:
        case NackError() | UnroutableError() | ChannelClosedByBroker() | ConnectionClosedByBroker():
            return Outcome.ERROR
        case ConnectionBlockedTimeout() | TimeoutError():
            return Outcome.TIMEOUT
        case AMQPConnectionError() | OSError():
            return Outcome.LOST
        case _:
            return Outcome.ERROR


def _socket_of(connection: pika.BlockingConnection) -> socket.socket:
    """
    The driver's socket. There is no public way to it: BlockingConnection, its SelectConnection, its transport.

    Raises:
        WrongAnswer: this version of the driver keeps it elsewhere.

    """
    transport = getattr(getattr(connection, "_impl", None), "_transport", None)
    found = getattr(transport, "_sock", None)
    if not isinstance(found, socket.socket):
        connection.close()
        raise WrongAnswer(
            f"expected the socket of pika {pika.__version__} in _impl._transport._sock, found {type(found).__name__}. "
            "Install the version that uv.lock names."
        )
    return found
