"""
How is a reference API visited and measured?

Every API that follows `reference_apis/openapi.yaml` is measured by this module; the service's kind gives its title.
"""

import json
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import httpx

from devperf_pipeline.errors import ServiceError, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Address, Facts, Outcome, Service
from devperf_pipeline.services import CATALOGUE, http_wire
from devperf_pipeline.services.canned_http import CannedServer
from devperf_pipeline.services.hearing import hear, show
from devperf_pipeline.services.http_wire import Answer
from devperf_pipeline.services.operation import DEADLINE_S, FLOOR, Driver, Operation, Step, Wire
from devperf_pipeline.services.reference_api_routes import (
    DOOMED,
    SEED_TTL_S,
    VALUE,
    Method,
    Names,
    Route,
    about,
    routes,
)

EXCEPTIONS: tuple[type[Exception], ...] = (httpx.HTTPError, OSError)


def open_session(service: Service) -> "ReferenceApiSession":
    """
    Visit one reference API.

    Raises:
        ServiceUnreachable, WrongAnswer: as they say.

    """
    title = CATALOGUE[service.kind].title
    request = http_wire.encode("GET", "/", str(service.address))
    heard = hear(service, service.address, say=request, enough=http_wire.complete)
    try:
        about(http_wire.parse(heard))
    except WrongAnswer as error:
        raise WrongAnswer(
            f"{service.name}: expected {title} at {service.address}, heard {show(heard)} ({error}). "
            "Correct the address in the stack file, or look at what listens there."
        ) from error
    return ReferenceApiSession(service)


class ApiConnection:
    """
    One user's kept connections: sockets for the engine, clients for the driver, each made when first needed.

    There is one of each for each address: the API's, and that of the server that gives the floor.
    """

    def __init__(self) -> None:
        self._sockets: dict[Address, socket.socket] = {}
        self._clients: dict[Address, httpx.Client] = {}

    def take_socket(self, address: Address) -> socket.socket:
        """
        A connected socket on which nothing is waiting to be read.

        Servers close connections that were idle for a while; such a one is replaced.
        """
        kept = self._sockets.get(address)
        if kept is not None:
            readable, _, _ = select.select([kept], [], [], 0)
            if not readable:
                return kept
            kept.close()
        made = socket.create_connection((address.host, address.port), timeout=DEADLINE_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[address] = made
        return made

    def client(self, address: Address) -> httpx.Client:
        """
        The driver, with a connection that it keeps.
        """
        if address not in self._clients:
            self._clients[address] = httpx.Client(
                base_url=f"http://{address}",
                timeout=2 * DEADLINE_S,
                limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
                # A proxy that the environment names is for the world outside.
                trust_env=False,
            )
        return self._clients[address]

    def close(self) -> None:
        """
        End them all.
        """
        for kept in (*self._sockets.values(), *self._clients.values()):
            with suppress(*EXCEPTIONS):
                kept.close()


class ReferenceApiSession:
    """
    One visit to one reference API.

    `unmeasurable` says of each published row that has no operation here why not.
    """

    exceptions = EXCEPTIONS

    def __init__(self, service: Service) -> None:
        self._service = service
        self._names = Names(service.name)
        self._connection = ApiConnection()
        self._canned: CannedServer | None = None
        self._routes: Sequence[Route] = ()
        self._doomed = 0
        self.unmeasurable: dict[str, str] = {}

    def facts(self) -> Facts:
        """
        Framework, runtime and server, asked from the running API.
        """
        said = about(self.ask("GET", "/"))
        return Facts(
            product=f"{said['framework']} {said['version']} ({said['server']})",
            version=said["version"],
            settings={name: said[name] for name in ("aggregation", "runtime", "server")},
        )

    def prepare(self) -> None:
        """
        Remove what an earlier visit left, and ask every route once: only those that answer right are measured.

        Raises:
            WrongAnswer: none does.

        """
        self.clean()
        self._canned = CannedServer()
        self.unmeasurable = {}
        measurable: list[Route] = []
        for route in routes(self._names):
            wrong = self._first_answer(route)
            if wrong is None:
                measurable.append(route)
            else:
                self.unmeasurable[route.title] = wrong
        if not measurable:
            raise WrongAnswer(
                f"{self._service.name} at {self._service.address} answers no route as expected: "
                f"{next(iter(self.unmeasurable.values()))}. Look at the API's log."
            )
        self._routes = measurable

    def operations(self) -> Sequence[Operation]:
        """
        The floor and the published rows that answer.
        """
        return [self._floor(), *map(self._operation, self._routes)]

    def connect(self) -> ApiConnection:
        """
        One user's connections.
        """
        return ApiConnection()

    def clean(self) -> None:
        """
        Remove our keys and our queue, as far as the API has a cache and a broker, and stop our own server.
        """
        if self._canned is not None:
            self._canned.stop()
            self._canned = None
        doomed = map(self._names.doomed, range(self._doomed))
        for key in (self._names.key, *doomed):
            if self.ask("DELETE", f"/examples/cache/{key}").status == 503:
                break
        self._doomed = 0
        self._drop_queue()

    def close(self) -> None:
        """
        End the visit.
        """
        if self._canned is not None:
            self._canned.stop()
            self._canned = None
        self._connection.close()

    def ask(self, method: Method, target: str, body: bytes | None = None) -> Answer:
        """
        One request for set-up or clean-up, on the session's own connection.

        Raises:
            ServiceUnreachable, WrongAnswer: as they say.

        """
        where = f"{self._service.name} at {self._service.address}"
        request = http_wire.encode(method, target, str(self._service.address), body)
        try:
            return http_wire.ask(self._connection.take_socket(self._service.address), request, DEADLINE_S)
        except OSError as error:
            # What comes late must not be taken for the next answer.
            self._connection.close()
            self._connection = ApiConnection()
            raise ServiceUnreachable(
                f"{where} does not answer {method} {target} ({error}). Look at its log."
            ) from error
        except WrongAnswer as error:
            raise WrongAnswer(f"{where}, {method} {target}: {error}. Look at its log.") from error

    def _first_answer(self, route: Route) -> str | None:
        """
        What is wrong with a route that is asked for the first time.
        """
        reset = self._reset_of(route)
        try:
            if reset is not None:
                reset(1, 1)
            return route.verify(self.ask(route.method, route.target, route.encoded_body))
        except ServiceError as error:
            return str(error)

    def _operation(self, route: Route) -> Operation:
        return Operation(
            name=route.name,
            title=route.title,
            wire=partial(self._wire, route),
            driver=partial(self._driver, route),
            reset=self._reset_of(route),
            finite=route.doomed,
            largest=DOOMED,
        )

    def _floor(self) -> Operation:
        canned = self._canned
        if canned is None:
            raise WrongAnswer("the operations of a session are known after prepare()")
        request = http_wire.encode("GET", "/", str(canned.address))

        def wire(connection: ApiConnection, _user: int, _size: int) -> Wire:
            canned.stand_with_us()
            return Wire(
                sockets=[connection.take_socket(canned.address)],
                calls=[(Step(request, http_wire.complete),)],
                check=lambda replies: http_wire.check(replies[0]),
                verify=lambda replies: is_empty(http_wire.parse(replies[0])),
            )

        def driver(connection: ApiConnection, _user: int, _size: int) -> Driver:
            canned.stand_with_us()
            client = connection.client(canned.address)
            return Driver(
                call=lambda _: client.get("/"),
                check=status_of,
                verify=lambda response: is_empty(answer_of(response)),
                exceptions=EXCEPTIONS,
                failure=failure,
            )

        return Operation(name=FLOOR, title="empty 200 of a canned server", wire=wire, driver=driver)

    def _wire(self, route: Route, connection: ApiConnection, user: int, size: int) -> Wire:
        host, body = str(self._service.address), route.encoded_body
        targets = self._targets(route, user, size)
        return Wire(
            sockets=[connection.take_socket(self._service.address)],
            calls=[
                (Step(http_wire.encode(route.method, target, host, body), http_wire.complete),)
                for target in targets
            ],
            check=lambda replies: route.check(replies[0]),
            verify=lambda replies: verify(route, partial(http_wire.parse, replies[0])),
        )

    def _driver(self, route: Route, connection: ApiConnection, user: int, size: int) -> Driver:
        client = connection.client(self._service.address)
        targets = self._targets(route, user, size)
        method, content, count = route.method, route.body, len(targets)

        def check(response: httpx.Response) -> Outcome:
            outcome = status_of(response)
            return route.check_body(response.content) if outcome is Outcome.OK else outcome

        return Driver(
            call=lambda k: client.request(method, targets[k % count], json=content),
            check=check,
            verify=lambda response: verify(route, partial(answer_of, response)),
            exceptions=EXCEPTIONS,
            failure=failure,
            size=size if route.doomed else None,
        )

    def _targets(self, route: Route, user: int, size: int) -> Sequence[str]:
        if not route.doomed:
            return [route.target]
        numbers = range(user * size, (user + 1) * size)
        return [f"/examples/cache/{self._names.doomed(number)}" for number in numbers]

    def _reset_of(self, route: Route) -> Callable[[int, int], None] | None:
        """
        What puts our data in the state that every round of a route starts from.
        """
        if route.doomed:
            return self._lay_in
        if route.target.endswith(self._names.key):
            return lambda _users, _size: self._store(self._names.key)
        if route.target.endswith(self._names.queue):
            # A queue that grows from round to round would make each round slower than the last.
            return lambda _users, _size: self._drop_queue()
        return None

    def _lay_in(self, users: int, size: int) -> None:
        """
        One key for each call to come.
        """
        for number in range(users * size):
            self._store(self._names.doomed(number), SEED_TTL_S)
        self._doomed = max(self._doomed, users * size)

    def _store(self, key: str, ttl: int | None = None) -> None:
        body = json.dumps({"value": VALUE, "ttl": ttl}).encode()
        answer = self.ask("POST", f"/examples/cache/{key}", body)
        if answer.status != 200:
            raise WrongAnswer(
                f"{self._service.name} at {self._service.address}: expected a key to be stored, "
                f"found {answer.status} {show(answer.body)}. Look at the API's cache."
            )

    def _drop_queue(self) -> None:
        self.ask("DELETE", f"/examples/messaging/queue/{self._names.queue}")


def verify(route: Route, answer: Callable[[], Answer]) -> str | None:
    """
    What is wrong with an answer, also when it is none.
    """
    try:
        return route.verify(answer())
    except WrongAnswer as error:
        return str(error)


def is_empty(answer: Answer) -> str | None:
    """
    What is wrong with an answer of the canned server.
    """
    return None if (answer.status, answer.body) == (200, b"") else f"expected an empty 200, found {answer}"


def answer_of(response: httpx.Response) -> Answer:
    """
    The driver's response, as a plain answer.
    """
    return Answer(response.status_code, dict(response.headers), response.content)


def status_of(response: httpx.Response) -> Outcome:
    """
    How a call of the driver ended, by its status.
    """
    return http_wire.outcome_of(response.status_code, retry_after="retry-after" in response.headers)


def failure(error: Exception) -> Outcome:
    """
    How a call ended that the driver raised.
    """
    match error:
        case httpx.TimeoutException() | TimeoutError():
            return Outcome.TIMEOUT
        case httpx.RemoteProtocolError() if "disconnected" in str(error):
            return Outcome.LOST
        case httpx.RemoteProtocolError() | httpx.DecodingError():
            return Outcome.WRONG
        case _:
            return Outcome.LOST
