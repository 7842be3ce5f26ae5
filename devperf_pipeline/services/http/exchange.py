"""How is a route of an API asked: before anything is measured, by the engine, and by the driver?"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from devperf_pipeline.errors import ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Outcome, Service
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.connection import (
    EXCEPTIONS,
    HttpConnection,
    Response,
    answer_of,
    failure,
    status_of,
)
from devperf_pipeline.services.http.preflight import PASSING, PreflightWarning, warnings_of
from devperf_pipeline.services.http.protocol import NONE, Answer, cached_by
from devperf_pipeline.services.http.route import HttpRoute, Method
from devperf_pipeline.services.operation import DEADLINE_S, Driver, Step, Wire

AnyRoute = TypeVar("AnyRoute", bound=HttpRoute)


class Asker:
    """Requests outside the clock, on a connection of their own."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection = HttpConnection()

    def ask(
        self, method: Method, target: str, body: bytes | None = None, *, headers: Mapping[str, str] = NONE
    ) -> Answer:
        """
        One request.

        Raises:
            ServiceUnreachable, WrongAnswer: as they say.

        """
        where = f"{self._service.name} at {self._service.address}"
        request = protocol.encode(method, target, str(self._service.address), body, headers=headers)
        try:
            answer = protocol.ask(self._connection.take_socket(self._service.address), request, DEADLINE_S)
        except OSError as error:
            self._reconnect()
            raise ServiceUnreachable(
                f"{where} does not answer {method} {target} ({error}). Look at its log."
            ) from error
        except WrongAnswer as error:
            self._reconnect()
            raise WrongAnswer(f"{where}, {method} {target}: {error}. Look at its log.") from error
        if "close" in answer.headers.get("connection", "").lower():
            self._reconnect()
        return answer

    def standing_before(
        self, routes: Sequence[HttpRoute], *, known: bool = True
    ) -> dict[str, PreflightWarning]:
        """
        What stands before these routes, by their names. Only for those that can be asked as often as one likes.

        `known` says that the fields of their answers mean what they are called by.
        """

        def again(route: HttpRoute, suffix: str, headers: Mapping[str, str]) -> Answer:
            more = suffix.replace("?", "&", 1) if "?" in route.target else suffix
            return self.ask(route.method, route.target + more, headers=headers)

        found = warnings_of([partial(again, route) for route in routes], known=known)
        return {route.name: each for route, each in zip(routes, found, strict=True) if each is not None}

    def fill_cache(self, route: HttpRoute) -> None:
        """Have the answer made and kept anew, so that the cache holds it for its whole time."""
        self.ask(route.method, route.target, headers=PASSING)
        self.ask(route.method, route.target)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _reconnect(self) -> None:
        # What comes late must not be taken for the next answer.
        self._connection.close()
        self._connection = HttpConnection()


def rows_of(route: AnyRoute, warning: PreflightWarning | None) -> tuple[Sequence[AnyRoute], str | None]:
    """Which rows a route gives, and why its own is not among them, if it is not."""
    if warning is None:
        return (route,), None
    if not warning.told:
        return (), explained(warning)
    if not warning.passable:
        return (route.cached(),), explained(warning)
    return (route.cold(), route.cached()), None


def explained(warning: PreflightWarning) -> str:
    """What a warning means for a row."""
    if warning.kind == "silence":
        return warning.seen
    if warning.kind == "limit":
        return f"a rate limit answers in its place or will soon ({warning.seen}): turn it off for the time of measuring"
    if warning.told and warning.passable:
        return f"a cache answers ({warning.seen}): measured cold with Cache-Control: no-cache, and cached in a row of its own"
    if warning.told:
        return f"a cache answers ({warning.seen}) and lets nothing pass: only measured cached, in a row of its own"
    return f"a cache seems to answer ({warning.seen}): turn it off for the time of measuring"


def wire_of(
    route: HttpRoute,
    connection: HttpConnection,
    service: Service,
    targets: Sequence[str],
    body: bytes | None = None,
) -> Wire:
    """One user's calls of a route by the engine, a call for each target."""
    host = str(service.address)
    return Wire(
        sockets=[connection.take_socket(service.address)],
        calls=[
            (
                Step(
                    protocol.encode(route.method, target, host, body, headers=route.headers),
                    protocol.complete,
                ),
            )
            for target in targets
        ],
        check=lambda replies: route.check(replies[0]),
        verify=lambda replies: _wrong(route, partial(protocol.parse, replies[0])),
    )


def driver_of(route: HttpRoute, call: Callable[[int], Response], *, size: int | None = None) -> Driver:
    """One user's calls of a route by the driver."""

    def check(response: Response) -> Outcome:
        outcome = status_of(response)
        if outcome is not Outcome.OK:
            return outcome
        if route.cache and not route.from_cache(cached_by(response.headers) is not None):
            return Outcome.WRONG
        return route.check_body(response.content)

    return Driver(
        call=call,
        check=check,
        verify=lambda response: _wrong(route, partial(answer_of, response)),
        exceptions=EXCEPTIONS,
        failure=failure,
        size=size,
    )


def _wrong(route: HttpRoute, answer: Callable[[], Answer]) -> str | None:
    """What is wrong with an answer, also when it is none."""
    try:
        return route.verify(answer())
    except WrongAnswer as error:
        return str(error)
