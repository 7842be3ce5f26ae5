"""
How is a reference API visited and measured?

Every API that follows `reference_apis/openapi.yaml` is measured by this module, and those of devstack-core, which are
known by what they say at `/`; the service's kind gives its title.
Before a route is measured it is asked a few times: what a rate limit or a cache would answer is not measured as the API.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from devperf_pipeline.errors import ServiceError, ServiceRefused, WrongAnswer
from devperf_pipeline.model import Facts, Service
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.canned_server import CannedServer
from devperf_pipeline.services.http.connection import EXCEPTIONS, HttpConnection
from devperf_pipeline.services.http.exchange import Asker, driver_of, explained, rows_of, wire_of
from devperf_pipeline.services.http.floor import floor
from devperf_pipeline.services.http.preflight import PreflightWarning, limited_by
from devperf_pipeline.services.http.protocol import NONE, Answer
from devperf_pipeline.services.http.route import Method
from devperf_pipeline.services.operation import OUR_NAME, Driver, Operation, Session, Wire
from devperf_pipeline.services.probe import hear, show
from devperf_pipeline.services.reference_api import devstack_core, workload
from devperf_pipeline.services.reference_api.answer_shape import told
from devperf_pipeline.services.reference_api.workload import (
    DOOMED,
    SEED_TTL_S,
    VALUE,
    Api,
    Route,
    asked_of,
    said_by,
)

LOAD_TESTED = "get-health-all"
"""The operation that the tools of HTTP ask for."""

AGGREGATE_S = 0.15
"""How long a round of it lasts at least: it takes milliseconds, and APIs are ranked by its p95, which needs 72 calls."""


def open_session(service: Service) -> "ReferenceApiSession":
    """
    Visit one reference API.

    Raises:
        ServiceUnreachable, WrongAnswer: as they say.

    """
    title = CATALOGUE[service.kind].title
    request = protocol.encode("GET", "/", str(service.address))
    heard = hear(service, service.address, say=request, enough=protocol.complete)
    try:
        answer = protocol.parse(heard)
        if answer.status != 200 and (limit := limited_by(answer)):
            raise ServiceRefused(
                f"{service.name} at {service.address}: expected an answer to GET /, found a rate limit ({limit}). "
                "Wait until it lets requests through again, or turn it off for the time of measuring."
            )
        said = said_by(answer)
    except WrongAnswer as error:
        raise WrongAnswer(
            f"{service.name}: expected {title} at {service.address}, heard {show(heard)} ({error}). "
            "Correct the address in the stack file, or look at what listens there."
        ) from error
    known = devstack_core if devstack_core.is_one(said) else workload
    return ReferenceApiSession(service, known.api(service.name, said))


class ReferenceApiSession(Session):
    """
    One visit to one reference API.

    `unmeasurable` says of each published row that has no operation here why not; `answers` what each route answered
    when it was first asked.
    """

    exceptions = EXCEPTIONS

    def __init__(self, service: Service, api: Api) -> None:
        super().__init__()
        self._service = service
        self._api = api
        self._asker = Asker(service)
        self._canned: CannedServer | None = None
        self._routes: Sequence[Route] = ()
        self._doomed = 0
        self._asks: Sequence[str] = ()

    def facts(self) -> Facts:
        """Framework, runtime and server, as the API gave them at `/`, and whom it asks for `/health/all`."""
        said = self._api.facts
        version = said.get("version", "unknown")
        server = f" ({said['server']})" if "server" in said else ""
        settings = {name: said[name] for name in ("aggregation", "runtime", "server") if name in said}
        if self._asks:
            # Those that ask fewer do less, and are no faster for it.
            settings["/health/all asks"] = ", ".join(self._asks)
        return Facts(
            product=f"{said.get('framework') or said.get('name') or 'unknown API'} {version}{server}",
            version=version,
            settings=settings,
        )

    def objects(self) -> Sequence[str]:
        """Our keys in the cache behind the API, and our queue in its broker."""
        return [f"keys {OUR_NAME}:{self._service.name}:*", f"queue {self._api.names.queue}"]

    def assume(self) -> None:
        """
        Start our own server, which is the floor, and ask what can be asked without making anything; of other routes
        take it that they answer.

        Raises:
            WrongAnswer: no route can be measured.

        """
        if self._canned is None:
            self._canned = CannedServer()
        self._choose_routes(ask_all=False)

    def prepare(self) -> None:
        """
        Remove what an earlier visit left, and ask every route: only those that answer right, and for themselves, are
        measured. One that is cached is measured twice: cold, and in a row of its own.

        Raises:
            WrongAnswer: none does.

        """
        self.clean()
        self._canned = CannedServer()
        self._choose_routes(ask_all=True)

    def _choose_routes(self, *, ask_all: bool) -> None:
        """Which routes can be measured, and why the others cannot; those that change something only if all are asked."""
        self.answers = []
        self.unmeasurable = dict(self._api.refused)
        before = self._standing_before()
        measurable: list[Route] = []
        for route in self._api.routes:
            rows, why = rows_of(route, before.get(route.name))
            if why is not None:
                self.unmeasurable[route.title] = why
            for row in rows:
                wrong = self._first_answer(row) if ask_all or row.repeatable else None
                if wrong is None:
                    measurable.append(row)
                else:
                    self.unmeasurable[row.title] = wrong
        if not measurable:
            raise WrongAnswer(
                f"{self._service.name} at {self._service.address} answers no route so that it could be measured: "
                f"{next(iter(self.unmeasurable.values()))}. Look at the API's settings and log."
            )
        self._routes = measurable

    def preflight(self) -> Sequence[str]:
        """What would spoil a measurement. Nothing is made for it: routes that change something are not asked."""
        titles: dict[str, list[str]] = {}
        for title, why in self._api.refused.items():
            titles.setdefault(f"not measured: {why}", []).append(title)
        before = self._standing_before()
        for route in filter(lambda route: route.repeatable, self._api.routes):
            warning = before.get(route.name)
            if warning is not None:
                titles.setdefault(explained(warning), []).append(route.title)
            elif wrong := self._first_answer(route):
                titles.setdefault(f"not measured: {wrong}", []).append(route.title)
        return [f"{', '.join(those)}: {why}" for why, those in titles.items()]

    def operations(self) -> Sequence[Operation]:
        """The floor and the published rows that answer."""
        if self._canned is None:
            raise WrongAnswer("the operations of a session are known after prepare(), and until clean()")
        return [floor(self._canned), *map(self._operation, self._routes)]

    def tool_scripts(self) -> Mapping[str, str]:
        """The path of the route that is load tested. See `operation.Session`."""
        return {route.name: route.target for route in self._routes if route.name == LOAD_TESTED}

    def connect(self) -> HttpConnection:
        """One user's connections."""
        return HttpConnection()

    def renew(self, service: Service) -> None:
        """Go on with other credentials."""
        self._service = service

    def clean(self) -> None:
        """Remove our keys and our queue, as far as the API has a cache and a broker, and stop our own server."""
        if self._canned is not None:
            self._canned.stop()
            self._canned = None
        names = self._api.names
        doomed = map(names.doomed, range(max(self._doomed, self._noted())))
        # The note goes last: until then the next visit knows what is left.
        for key in (names.key, *doomed, names.note):
            if self.ask("DELETE", f"/examples/cache/{key}").status >= 400:
                break
        self._doomed = 0
        self._drop_queue()

    def close(self) -> None:
        """End the visit."""
        if self._canned is not None:
            self._canned.stop()
            self._canned = None
        self._asker.close()

    def ask(
        self, method: Method, target: str, body: bytes | None = None, *, headers: Mapping[str, str] = NONE
    ) -> Answer:
        """
        One request for set-up or clean-up, on the session's own connection.

        Raises:
            ServiceUnreachable, WrongAnswer: as they say.

        """
        return self._asker.ask(method, target, body, headers=headers)

    def _standing_before(self) -> dict[str, PreflightWarning]:
        """What stands before the routes that can be asked as often as one likes, by their names."""
        return self._asker.standing_before([route for route in self._api.routes if route.repeatable])

    def _first_answer(self, route: Route) -> str | None:
        """What is wrong with a route that is asked for the first time."""
        reset = self._reset_of(route)
        try:
            if reset is not None:
                reset(1, 1)
            answer = self.ask(route.method, route.target, route.encoded_body, headers=route.headers)
        except ServiceError as error:
            return str(error)
        self.answers.append(told(route.title, answer, states=route.health))
        if limit := limited_by(answer):
            return explained(PreflightWarning("limit", limit))
        if route.target.endswith("/health/all"):
            self._note_asked(answer)
        return route.verify(answer)

    def _note_asked(self, answer: Answer) -> None:
        with suppress(ValueError, RecursionError):
            asked = asked_of(json.loads(answer.body))
            if isinstance(asked, dict):
                absent = {
                    name
                    for name, it in asked.items()
                    if isinstance(it, dict) and it.get("status") == "absent"
                }
                self._asks = sorted(set(map(str, asked)) - absent)

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
            least_s=AGGREGATE_S if route.name == LOAD_TESTED else 0.0,
        )

    def _wire(self, route: Route, connection: HttpConnection, user: int, size: int) -> Wire:
        targets = self._targets(route, user, size)
        return wire_of(route, connection, self._service, targets, route.encoded_body)

    def _driver(self, route: Route, connection: HttpConnection, user: int, size: int) -> Driver:
        client = connection.client(self._service.address)
        targets = self._targets(route, user, size)
        method, content, headers, count = route.method, route.body, dict(route.headers), len(targets)

        return driver_of(
            route,
            lambda k: client.request(method, targets[k % count], json=content, headers=headers),
            size=size if route.doomed else None,
        )

    def _targets(self, route: Route, user: int, size: int) -> Sequence[str]:
        if not route.doomed:
            return [route.target]
        numbers = range(user * size, (user + 1) * size)
        return [f"/examples/cache/{self._api.names.doomed(number)}" for number in numbers]

    def _reset_of(self, route: Route) -> Callable[[int, int], None] | None:
        """What puts our data in the state that every round of a route starts from."""
        if route.doomed:
            return self._lay_in
        if route.cache == "asked":
            return lambda _users, _size: self._asker.fill_cache(route)
        if self._api.names.key in route.target:
            return lambda _users, _size: self._store(self._api.names.key)
        if route.target.endswith(self._api.names.queue):
            # A queue that grows from round to round would make each round slower than the last.
            return lambda _users, _size: self._drop_queue()
        return None

    def _lay_in(self, users: int, size: int) -> None:
        """One key for each call to come."""
        if users * size > self._doomed:
            # Noted first: should we be killed, the next visit knows which keys to look for.
            self._doomed = users * size
            self._store(self._api.names.note, SEED_TTL_S, value=str(self._doomed))
        for number in range(users * size):
            self._store(self._api.names.doomed(number), SEED_TTL_S)

    def _noted(self) -> int:
        """How many keys a visit that was killed had laid in; 0 where none is noted."""
        answer = self.ask("GET", f"/examples/cache/{self._api.names.note}")
        try:
            return min(int(json.loads(answer.body)["value"]), DOOMED) if answer.status == 200 else 0
        except (ValueError, KeyError, TypeError):
            return 0

    def _store(self, key: str, ttl: int | None = None, *, value: str = VALUE) -> None:
        target, body = self._api.store(key, ttl, value)
        answer = self.ask("POST", target, body)
        if answer.status != 200:
            raise WrongAnswer(
                f"{self._service.name} at {self._service.address}: expected a key to be stored, "
                f"found {answer.status} {show(answer.body)}. Look at the API's cache."
            )

    def _drop_queue(self) -> None:
        if self._api.drop is not None:
            self.ask("DELETE", self._api.drop)
