"""How is one connection to Redis made, shared between driver and engine, and what do its errors mean?"""

import socket
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    InvalidResponse,
    MaxConnectionsError,
    MovedError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from devperf_pipeline.errors import (
    ConfigurationError,
    ServiceError,
    ServiceRefused,
    ServiceUnreachable,
    WrongAnswer,
)
from devperf_pipeline.model import Address, Facts, Outcome, Service, Tls
from devperf_pipeline.services.operation import DEADLINE_S
from devperf_pipeline.services.probe import probe, show
from devperf_pipeline.services.redis import protocol
from devperf_pipeline.stack.tls import context, refusal

EXCEPTIONS: tuple[type[Exception], ...] = (RedisError, RedisClusterException, OSError)

SETTINGS = ("maxmemory", "maxmemory-policy", "save", "appendonly", "appendfsync", "io-threads")

BATCH = 1_000
"""How many commands are sent at once, outside of any measurement."""


class RedisConnection:
    """One user's client. Its socket, once taken, is the engine's until the end."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self._taken: Any = None

    def take_socket(self) -> socket.socket:
        """The socket, authenticated; raises a `WrongAnswer` where this version of the driver keeps it elsewhere."""
        if self._taken is None:
            pool: Any = self.client.connection_pool
            self._taken = pool.get_connection()
        # There is no public way to it. `_sock` has been its name in every version of redis-py.
        taken = getattr(self._taken, "_sock", None)
        if not isinstance(taken, socket.socket):
            raise WrongAnswer(
                f"expected the socket of redis-py {redis.__version__} in Connection._sock, found {type(taken).__name__}. "
                "Measure with the driver instead, or install the version that uv.lock names."
            )
        return taken

    def close(self) -> None:
        """End it; never raises."""
        with suppress(*EXCEPTIONS):
            if self._taken is not None:
                self._taken.disconnect()
            self.client.close()


def connect_node(service: Service, address: Address, *, expected: bool = True) -> Redis:
    """A client of one node, authenticated; raises a `ServiceError`. `expected`: a Redis was already seen there."""
    number = service.database or "0"
    if not number.isdecimal():
        raise ConfigurationError(
            f"{service.name}: expected a number as database, found {number!r}. Correct it in the stack file."
        )
    if not expected:
        _probe(service, address)
    client = Redis(connection_pool=_pool(address, db=int(number), **client_options(service)))
    with explained(service, address, on_error=client.close):
        asked(client, "PING")
    return client


def _pool(address: Address, **options: Any) -> ConnectionPool:
    """Connections to one address, as it says that they are made."""
    if address.is_unix:
        del options["socket_connect_timeout"]
        return ConnectionPool(UnixDomainSocketConnection, path=address.host, **options)  # pyright: ignore[reportArgumentType] - the driver's own annotation is narrower than what it does
    kind = encrypted(address.tls) if address.tls else Connection
    return ConnectionPool(connection_class=kind, host=address.host, port=address.port, **options)


def encrypted(tls: Tls) -> type[SSLConnection]:
    """The driver's connections over TLS, as the stack file says; by itself the driver adds this system's CAs."""
    made = context(tls)

    class Encrypted(SSLConnection):
        def _wrap_socket_with_ssl(self, sock: Any) -> Any:
            return made.wrap_socket(sock, server_hostname=self.host)

    return Encrypted


def _probe(service: Service, address: Address) -> None:
    """Make sure that a Redis is there, before the driver is asked to connect."""
    received = probe(
        service, address, send=protocol.encode(b"PING"), enough=lambda so_far: so_far.endswith(b"\r\n")
    )
    if received.startswith(b"-DENIED"):
        raise ServiceRefused(f"{service.name}: the server at {address} refuses: {show(received)}")
    if not received.startswith((b"+PONG", b"-")):
        raise WrongAnswer(
            f"{service.name}: expected Redis at {address}, found {show(received)}. Correct the address in the stack file."
        )


def client_options(service: Service) -> dict[str, Any]:
    """What every client of ours is made with: RESP 2, our deadlines, no retries."""
    credentials = service.credentials
    return {
        "username": (credentials.username or None) if credentials else None,
        "password": credentials.password if credentials else None,
        "protocol": 2,
        "socket_timeout": DEADLINE_S,
        "socket_connect_timeout": DEADLINE_S,
        # The driver would try for a minute, and a call that was made twice is not a measurement.
        "retry": Retry(NoBackoff(), 0),
    }


def asked(node: Any, *words: str | bytes | int) -> Any:
    """What one command to a `Redis` is answered; here and below `Any`, since the driver's own types are incomplete."""
    return node.execute_command(*words)


def pipelined(node: Any, commands: Iterable[Sequence[bytes]]) -> None:
    """Send many commands to one node and await all answers; raises the first that is an error."""
    sent = list(commands)
    for begin in range(0, len(sent), BATCH):
        with node.pipeline(transaction=False) as pipe:
            for command in sent[begin : begin + BATCH]:
                pipe.execute_command(*command)
            pipe.execute()


def keys_like(node: Any, pattern: str | bytes) -> list[bytes]:
    """Every key of one node that a pattern fits, by SCAN, which never stops the server for long."""
    return sorted(set(node.scan_iter(match=pattern, count=BATCH)))  # a key may come twice


def close_all(clients: Iterable[Redis]) -> None:
    """Close clients whose server may be gone."""
    for client in clients:
        with suppress(*EXCEPTIONS):
            client.close()


@contextmanager
def explained(
    service: Service, address: Address, on_error: Callable[[], None] = lambda: None
) -> Generator[None, None, None]:
    """Turn what the driver raises into a `ServiceError` that says what happened and what to do."""
    try:
        yield
    except EXCEPTIONS as error:
        on_error()
        raise explanation(service, address, error) from error


def explanation(service: Service, address: Address, error: BaseException) -> ServiceError:
    """The error of ours for an error of the driver, in the server's own words."""
    where = f"{service.name} at {address}"
    return refusal(where, address, error) or _explanation(service, where, error)


def _explanation(service: Service, where: str, error: BaseException) -> ServiceError:
    said = str(error).rstrip(".")
    if service.credentials and service.credentials.password:
        # A server that does not know AUTH repeats the words that it was sent.
        said = said.replace(service.credentials.password, "********")
    match error:
        case AuthenticationError():
            return ServiceRefused(f"{where} refuses our credentials: {said}. Correct user name and password.")
        case InvalidResponse():
            return WrongAnswer(
                f"{where} does not speak Redis: {said}. Correct the address in the stack file."
            )
        case BusyLoadingError() | MaxConnectionsError() | ResponseError():
            return ServiceRefused(f"{where} refuses: {said}. Look at the server's settings and state.")
        case redis.TimeoutError() | TimeoutError():
            return ServiceUnreachable(f"{where} does not answer within {DEADLINE_S:g} s. Look at the server.")
        case redis.ConnectionError() if "closed by server" in said:
            return ServiceUnreachable(
                f"{where} ends our connection. Look at its log: a proxy does so at commands that it does not know."
            )
        case _:
            return ServiceUnreachable(f"{where} cannot be reached: {said}. Start it, or correct the address.")


def failure(error: Exception) -> Outcome:
    """How a call ended that the driver raised."""
    match error:
        case MovedError() | AskError():
            return Outcome.REDIRECTED
        case redis.TimeoutError() | TimeoutError():
            return Outcome.TIMEOUT
        case InvalidResponse():
            return Outcome.WRONG
        case BusyLoadingError() | ResponseError() | AuthenticationError():
            return Outcome.ERROR
        case redis.ConnectionError() | OSError():
            return Outcome.LOST
        case _:
            return Outcome.ERROR


def node_facts(node: Redis, names: Sequence[str] = SETTINGS) -> Facts:
    """Product, version and the settings of those names."""
    info: dict[str, Any] = asked(node, "INFO", "server")
    name = "Redis"
    version = str(info["redis_version"])
    if "valkey_version" in info or info.get("server_name") == "valkey":
        name, version = "Valkey", str(info.get("valkey_version", version))
    settings: dict[str, str] = {}
    # CONFIG may be renamed or forbidden; a setting that cannot be read is left out, not guessed.
    with suppress(ResponseError):
        for setting in names:
            settings |= {text(key): text(value) for key, value in asked(node, "CONFIG GET", setting).items()}
    return Facts(product=f"{name} {version}", version=version, settings=settings)


def text(value: Any) -> str:
    """A word of an answer, which the driver gives as bytes or as text; empty where it gives none."""
    return value.decode() if isinstance(value, bytes) else str(value or "")
