"""How is one Redis node visited and measured?"""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import redis
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
from devperf_pipeline.model import Address, Facts, Outcome, Service
from devperf_pipeline.services.operation import DEADLINE_S, FLOOR, Driver, Operation, Session, Wire
from devperf_pipeline.services.probe import hear, show
from devperf_pipeline.services.redis import protocol
from devperf_pipeline.services.redis.guest import BLOCK, GUEST, admit, dismiss, dismiss_left, guest_objects
from devperf_pipeline.services.redis.keys import Keys, LaidIn, claim, close_quietly, remove
from devperf_pipeline.services.redis.preflight import of_node
from devperf_pipeline.services.redis.workload import DOOMED, Command, single_node

USERS = (10,)
SETTINGS = ("maxmemory", "maxmemory-policy", "save", "appendonly", "appendfsync", "io-threads")
EXCEPTIONS: tuple[type[Exception], ...] = (RedisError, RedisClusterException, OSError)


def open_session(service: Service) -> "RedisSession":
    """
    Visit one Redis node.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: as they say.

    """
    listen(service, service.address)
    return RedisSession(service, connect_node(service, service.address))


class RedisConnection:
    """One user's client. Its socket, once taken, is the engine's until the end."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._taken: redis.Connection | None = None

    def take_socket(self) -> socket.socket:
        """
        The socket behind the client, connected and authenticated.

        Raises:
            WrongAnswer: this version of the driver keeps it elsewhere.

        """
        if self._taken is None:
            self._taken = self.client.connection_pool.get_connection()
        # There is no public way to it. `_sock` has been its name in every version of redis-py.
        taken = getattr(self._taken, "_sock", None)
        if not isinstance(taken, socket.socket):
            raise WrongAnswer(
                f"expected the socket of redis-py {redis.__version__} in Connection._sock, found {type(taken).__name__}. "
                "Measure with the driver instead, or install the version that uv.lock names."
            )
        return taken

    def close(self) -> None:
        """End it."""
        with suppress(*EXCEPTIONS):
            if self._taken is not None:
                self._taken.disconnect()
            self.client.close()


class RedisSession(Session):
    """One visit to one Redis node."""

    exceptions: tuple[type[Exception], ...] = EXCEPTIONS

    def __init__(self, service: Service, client: redis.Redis) -> None:
        super().__init__()
        self._service = service
        self._client = client
        self._keys = Keys(service.name)
        self._laid = LaidIn()

    def facts(self) -> Facts:
        """Version and settings, asked from the server."""
        with explained(self._service, self._service.address):
            return node_facts(self._client, SETTINGS)

    def objects(self) -> Sequence[str]:
        """Every key of ours."""
        return [f"keys {self._keys.prefix.decode()}*"]

    def assume(self) -> None:
        """The operations are known without having prepared anything."""

    def preflight(self) -> Sequence[str]:
        """What would spoil a measurement; see `operation.Session`."""
        with explained(self._service, self._service.address):
            return list(of_node(self._client, self._keys))

    def prepare(self) -> None:
        """Claim our prefix; each operation's `reset` lays in its keys."""
        with explained(self._service, self._service.address):
            claim([self._client], self._client, self._keys)

    def operations(self) -> Sequence[Operation]:
        """The floor and the published commands."""
        return [self._operation(command) for command in single_node(self._keys)]

    def _operation(self, command: Command) -> Operation:
        def wire(connection: RedisConnection, user: int, size: int) -> Wire:
            return command.wire([connection.take_socket()], user, size)

        def driver(connection: RedisConnection, user: int, size: int) -> Driver:
            return command.driver(connection.client, user, size, exceptions=EXCEPTIONS, failure=failure)

        def reset(users: int, size: int) -> None:
            if command.seed is None:
                return
            with explained(self._service, self._service.address):
                if not self._laid.is_on(self._client, command.name):
                    seed = command.seed(users, size)
                    self._laid.lay_in(self._client, command.name, seed, lasts=command.lasts)

        return Operation(
            name=command.name,
            title=command.title,
            users=() if command.name == FLOOR else USERS,
            wire=wire,
            driver=driver,
            reset=reset,
            finite=command.finite,
            largest=DOOMED,
            sustained=command.name == "get-hit",
        )

    def tool_scripts(self) -> Mapping[str, str]:
        """GET of one of our keys. See `operation.Session`."""
        return {"get-hit": f"GET {self._keys.name('key', 42).decode()}"}

    @contextmanager
    def guest(self) -> Iterator[str]:
        """See `operation.Session`."""
        with explained(self._service, self._service.address):
            try:
                admit(self._client, (*BLOCK, self._keys.prefix.decode() + "key:*"))
                yield GUEST
            finally:
                dismiss(self._client, BLOCK)

    def guest_objects(self) -> Sequence[str]:
        """See `operation.Session`."""
        return guest_objects(BLOCK)

    def connect(self) -> RedisConnection:
        """A new client with a connection of its own."""
        return RedisConnection(connect_node(self._service, self._service.address))

    def renew(self, service: Service) -> None:
        """Go on with other credentials."""
        client = connect_node(service, service.address)
        close_quietly(self._client)
        self._service, self._client, self._laid = service, client, LaidIn()

    def clean(self) -> None:
        """Remove every key of ours, and a guest that was left."""
        with explained(self._service, self._service.address):
            dismiss_left(self._client, BLOCK)
            remove([self._client], self._client, self._keys)

    def close(self) -> None:
        """End the visit."""
        with suppress(*EXCEPTIONS):
            self._client.close()


def listen(service: Service, address: Address) -> None:
    """
    Make sure that a Redis is there, before the driver is asked to connect.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: as they say.

    """
    heard = hear(service, address, say=protocol.encode(b"PING"), enough=lambda heard: heard.endswith(b"\r\n"))
    if heard.startswith(b"-DENIED"):
        raise ServiceRefused(f"{service.name}: the server at {address} refuses: {show(heard)}")
    if not heard.startswith((b"+PONG", b"-")):
        raise WrongAnswer(
            f"{service.name}: expected Redis at {address}, heard {show(heard)}. Correct the address in the stack file."
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


def connect_node(service: Service, address: Address) -> redis.Redis:
    """
    A client of one node, authenticated.

    Raises:
        ServiceUnreachable, ServiceRefused, WrongAnswer: as they say.

    """
    number = service.database or "0"
    if not number.isdecimal():
        raise ConfigurationError(
            f"{service.name}: expected a number as database, found {number!r}. Correct it in the stack file."
        )
    client = redis.Redis(host=address.host, port=address.port, db=int(number), **client_options(service))
    with explained(service, address, on_error=client.close):
        client.ping()
    return client


class explained:  # noqa: N801 - reads as a verb in `with explained(...)`
    """Turn what the driver raises into a `ServiceError` that says what happened and what to do."""

    def __init__(
        self, service: Service, address: Address, on_error: Callable[[], None] = lambda: None
    ) -> None:
        self._service, self._address, self._on_error = service, address, on_error

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, EXCEPTIONS):
            self._on_error()
            raise explanation(self._service, self._address, error) from error


def explanation(service: Service, address: Address, error: BaseException) -> ServiceError:
    """The error of ours for an error of the driver, in the server's own words."""
    where = f"{service.name} at {address}"
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


def node_facts(client: redis.Redis, names: Sequence[str]) -> Facts:
    """Product, version and the settings of those names."""
    info = client.info("server")
    name = "Redis"
    version = str(info["redis_version"])
    if "valkey_version" in info or info.get("server_name") == "valkey":
        name, version = "Valkey", str(info.get("valkey_version", version))
    settings: dict[str, str] = {}
    # CONFIG may be renamed or forbidden; a setting that cannot be read is left out, not guessed.
    with suppress(ResponseError):
        for setting in names:
            settings.update({str(key): str(held) for key, held in client.config_get(setting).items()})
    return Facts(product=f"{name} {version}", version=version, settings=settings)
