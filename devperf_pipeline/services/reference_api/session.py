"""
How is a reference API measured?

Every API that follows `reference_apis/openapi.yaml` is measured by this module, and those of devstack-core, which are
known by what they say at `/`; the service's kind gives its title.
Before a route is measured it is asked a few times: what a rate limit or a cache would answer is not measured as the API.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from devperf_pipeline.errors import ServiceError, ServiceRefused, WrongAnswer
from devperf_pipeline.model import Facts, Service
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.connection import HttpConnection
from devperf_pipeline.services.http.limits import limit_told, limited_by, refused_by
from devperf_pipeline.services.http.preflight import (
    PreflightWarning,
    explained,
    standing_before,
)
from devperf_pipeline.services.http.protocol import Answer, as_object, json_object
from devperf_pipeline.services.http.session import HttpSession, grouped
from devperf_pipeline.services.operation import Driver, Operation, Pace, Wire
from devperf_pipeline.services.probe import probe, show
from devperf_pipeline.services.reference_api import devstack_core, workload
from devperf_pipeline.services.reference_api.answer_shape import told
from devperf_pipeline.services.reference_api.cleanup import OwnObjects
from devperf_pipeline.services.reference_api.workload import (
    Api,
    Route,
    asked_of,
    said_by,
)

LOAD_TESTED = "get-health-all"
"""The operation that the tools of HTTP ask for."""


def open_session(service: Service) -> "ReferenceApiSession":
    """A session with one reference API; raises a `ServiceError`."""
    title = CATALOGUE[service.kind].title
    request = protocol.encode("GET", "/", service.address.called, headers=service.sent)
    received = probe(service, service.address, send=request, enough=protocol.complete)
    try:
        answer = protocol.parse(received)
        if limit := refused_by(answer):
            raise ServiceRefused(
                f"{service.where}: expected an answer to GET /, found a rate limit ({limit}). "
                "Wait until it lets requests through again, or turn it off for the time of measuring."
            )
        said = said_by(answer)
    except WrongAnswer as error:
        raise WrongAnswer(
            f"{service.name}: expected {title} at {service.address}, found {show(received)} ({error}). "
            "Correct the address in the stack file, or look at what listens there."
        ) from error
    known = devstack_core if devstack_core.is_one(said) else workload
    session = ReferenceApiSession(service, known.api(service.name, said))
    session.keep_to(limit_told(answer))
    return session


class ReferenceApiSession(HttpSession[Route]):
    """A session with one reference API."""

    def __init__(self, service: Service, api: Api) -> None:
        super().__init__(service)
        self._api = api
        self._own = OwnObjects(api, self._client, service.behind)
        self._asks: Sequence[str] = ()
        self._paces = {title: limit.pace() for title, limit in api.limits.items()}

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
        """Our key in the cache behind the API, and our queue in its broker."""
        return self._own.names()

    def assume(self) -> None:
        """
        As `prepare`, but nothing is made: routes that change something are not asked, and taken to answer right where
        any other does.
        """
        self._choose_rows(lambda row: self._wrong(row) if row.repeatable else None)
        if not any(row.repeatable for row in self._rows):
            self._rows = ()
            self._refuse_none()

    def prepare(self) -> None:
        """
        Remove what an earlier run left, and ask every route: only those that answer right, and for themselves, are
        measured. Raises a `WrongAnswer` where none does.
        """
        with suppress(ServiceRefused):
            self.clean()
        self._own.find_cache()
        self._choose_rows(self._wrong)

    def preflight(self) -> Sequence[str]:
        """What would disturb a measurement. Nothing is made for it: routes that change something are not asked."""
        self.unmeasurable = {}
        before = self._standing_before()
        refused: dict[str, str] = {}
        for route in filter(lambda route: route.repeatable, self._api.routes):
            if route.name in before:
                refused[route.title] = explained(before[route.name])
            elif wrong := self._wrong(route):
                refused[route.title] = f"not measured: {wrong}"
        self._note_limits([route.title for route in self._api.routes if route.title not in refused])
        found = {title: f"not measured: {why}" for title, why in self._api.refused.items()}
        return grouped({**self.unmeasurable, **refused, **found})

    def tool_scripts(self) -> Mapping[str, str]:
        """The path of the route that is load tested, unless a cache is before it. See `operation.Session`."""
        tested = (row for row in self._rows if row.name == LOAD_TESTED and not row.cache)
        return {row.name: row.target for row in tested if self._pace_of(row.title) is None}

    def clean(self) -> None:
        """Remove our key and our queue, as far as the API has a cache and a broker, and stop our own server."""
        self._floor.stop()
        self._own.remove()

    def close(self) -> None:
        self._own.close()
        super().close()

    def _choose_rows(self, wrong: Callable[[Route], str | None]) -> None:
        """Start our own server, which is the floor, and choose the rows of which nothing is `wrong`."""
        self._floor.start()
        self.answers, self.unmeasurable = [], {}
        self._rows = self._measurable(self._api.routes, self._standing_before(), wrong)
        self._note_limits([row.title for row in self._rows])
        self.unmeasurable |= self._api.refused
        self._refuse_none()

    def _standing_before(self) -> dict[str, PreflightWarning]:
        """What stands before the routes that can be asked as often as one likes, by their names."""
        free = [route for route in self._api.routes if route.repeatable and not self._pace_of(route.title)]
        return standing_before(self._client, free)

    def _pace_of(self, title: str) -> Pace | None:
        return self._paces.get(title) or super()._pace_of(title)

    def _note_limits(self, titles: Sequence[str]) -> None:
        """Say which of these rows a limit allows only few calls: one of the whole API, or one of their own."""
        for title, limit in self._api.limits.items():
            self._note_limited(limit, [title] if title in titles else [])
        if self._limit is not None:
            self._note_limited(self._limit, [title for title in titles if title not in self._api.limits])

    def _wrong(self, row: Route) -> str | None:
        """What is wrong with a route that is asked for the first time."""
        reset = self._reset_of(row)
        try:
            if reset is not None:
                reset(1, 1)
            if (own := self._paces.get(row.title)) is not None:
                own.note()
            answer = self._client.ask(row.method, row.target, row.encoded_body, headers=row.headers)
        except ServiceError as error:
            return str(error)
        self.answers.append(told(row.title, answer, states=row.health, family=self._api.family))
        if limit := refused_by(answer) if self._pace_of(row.title) else limited_by(answer):
            return explained(PreflightWarning("limit", limit))
        if row.target.endswith("/health/all"):
            self._note_asked(answer)
        return row.verify(answer)

    def _note_asked(self, answer: Answer) -> None:
        asked = asked_of(json_object(answer.body) or {})
        if asked is not None:
            self._asks = sorted(name for name, it in asked.items() if as_object(it).get("status") != "absent")

    def _operation(self, row: Route) -> Operation:
        reset = self._reset_of(row)
        own_trips = 0 if self._own.is_direct else 1
        return Operation(
            name=row.name,
            title=row.title,
            wire=partial(self._wire, row),
            driver=partial(self._driver, row),
            reset=reset,
            # Many users at once ask as anybody would: where there is a cache, of what it has.
            sustained=row.sustained and row.cache != "passed",
            # Frameworks call the handler when the head is there, and it waits for the body. Where there is none, the
            # head is held: then a request costs its connection and what the parser keeps.
            held=row.method == "POST" and row.target.startswith(self._api.names.path),
            repeatable=row.repeatable,
            # What it deletes is stored before each call.
            round_trips=1 + own_trips if row.deletes else 1,
            reset_trips=0 if reset is None else own_trips if self._api.names.key in row.target else 1,
        )

    def _wire(self, route: Route, connection: HttpConnection, _user: int, _size: int) -> Wire:
        return route.wire(
            connection, self._service.address, body=route.encoded_body, before=self._before(route)
        )

    def _driver(self, route: Route, connection: HttpConnection, _user: int, _size: int) -> Driver:
        client, headers = connection.client(self._service.address), dict(route.headers)
        return route.driver(
            lambda _: client.request(route.method, route.target, json=route.body, headers=headers),
            before=self._before(route),
        )

    def _before(self, route: Route) -> Callable[[], None] | None:
        return self._own.store if route.deletes else None

    def _reset_of(self, route: Route) -> Callable[[int, int], None] | None:
        """What puts our data in the state that every round of a route starts from."""
        if route.cache == "asked":
            return lambda _users, _size: self._fill_cache(route)
        if self._api.names.key in route.target:
            return lambda _users, _size: self._own.store()
        if route.target.endswith(self._api.names.queue):
            # A queue that grows from round to round would make each round slower than the last.
            return lambda _users, _size: self._own.drop_queue()
        return None
