"""
How is a reference API visited and measured?

Every API that follows `reference_apis/openapi.yaml` is measured by this module; the service's kind gives its title.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial

from devperf_pipeline.errors import ServiceError, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Facts, Outcome, RouteAnswer, Service
from devperf_pipeline.services import CATALOGUE, http_wire
from devperf_pipeline.services.canned_http import CannedServer
from devperf_pipeline.services.hearing import hear, show
from devperf_pipeline.services.http_connection import (
    EXCEPTIONS,
    HttpConnection,
    Response,
    answer_of,
    failure,
    status_of,
)
from devperf_pipeline.services.http_floor import floor
from devperf_pipeline.services.http_wire import Answer
from devperf_pipeline.services.operation import DEADLINE_S, Driver, Operation, Step, Wire
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
from devperf_pipeline.services.reference_api_shape import told


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


class ReferenceApiSession:
    """
    One visit to one reference API.

    `unmeasurable` says of each published row that has no operation here why not; `answers` what each route answered
    when it was first asked.
    """

    exceptions = EXCEPTIONS

    def __init__(self, service: Service) -> None:
        self._service = service
        self._names = Names(service.name)
        self._connection = HttpConnection()
        self._canned: CannedServer | None = None
        self._routes: Sequence[Route] = ()
        self._doomed = 0
        self.unmeasurable: dict[str, str] = {}
        self.answers: list[RouteAnswer] = []

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
        self.answers = []
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
        if self._canned is None:
            raise WrongAnswer("the operations of a session are known after prepare(), and until clean()")
        return [floor(self._canned), *map(self._operation, self._routes)]

    def connect(self) -> HttpConnection:
        """
        One user's connections.
        """
        return HttpConnection()

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
            self._connection = HttpConnection()
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
            answer = self.ask(route.method, route.target, route.encoded_body)
        except ServiceError as error:
            return str(error)
        self.answers.append(told(route, answer))
        return route.verify(answer)

    def _operation(self, route: Route) -> Operation:
        return Operation(
            name=route.name,
            title=route.title,
            wire=partial(self._wire, route),
            driver=partial(self._driver, route),
            reset=self._reset_of(route),
            finite=route.doomed,
            largest=DOOMED,
            sustained=route.sustained,
            # Frameworks call the handler when the head is there, and it waits for the body.
            held=route.body is not None,
        )

    def _wire(self, route: Route, connection: HttpConnection, user: int, size: int) -> Wire:
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

    def _driver(self, route: Route, connection: HttpConnection, user: int, size: int) -> Driver:
        client = connection.client(self._service.address)
        targets = self._targets(route, user, size)
        method, content, count = route.method, route.body, len(targets)

        def check(response: Response) -> Outcome:
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
