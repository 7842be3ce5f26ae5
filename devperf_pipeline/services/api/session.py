"""
How is an API measured of which nothing is known but which routes it has?

Its stack file names the routes; they are asked with GET alone, since nothing of somebody else's may be changed.
What a right answer is, is learnt from the first one of each route: later ones must not say less, or tell of a failure.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from devperf_pipeline.errors import ServiceError, WrongAnswer
from devperf_pipeline.model import Facts, Service
from devperf_pipeline.services.api.workload import LearntRoute, name_of
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.connection import HttpConnection
from devperf_pipeline.services.http.limits import limit_told, limited_by, refused_by
from devperf_pipeline.services.http.preflight import (
    PreflightWarning,
    explained,
    standing_before,
)
from devperf_pipeline.services.http.protocol import END, Answer, json_object
from devperf_pipeline.services.http.reasons import plain
from devperf_pipeline.services.http.session import HttpSession, grouped
from devperf_pipeline.services.operation import Driver, Operation, Wire
from devperf_pipeline.services.probe import probe, show
from devperf_pipeline.services.reference_api import workload
from devperf_pipeline.services.reference_api.answer_shape import told

CONTRACT = {route.title: route.health for route in workload.routes(workload.Names(""))}
"""Routes that the reference APIs have, too, by title, and whether their answers say how dependencies are."""


def open_session(service: Service) -> "ApiSession":
    """A session with an API; raises a `ServiceError`."""
    request = protocol.encode("GET", service.routes[0], service.address.called, headers=service.sent)
    received = probe(service, service.address, send=request, enough=lambda so_far: END in so_far)
    version = re.match(rb"HTTP/1\.([01]) \d{3}[ \r\n]", received)
    if version is None:
        raise WrongAnswer(
            f"{service.name}: expected an API that speaks HTTP at {service.address}, found {show(received)}. "
            "Correct the address in the stack file, or look at what listens there."
        )
    kept = re.search(rb"\r\nconnection[ \t]*:[^\r\n]*keep-alive", received.partition(END)[0].lower())
    if version[1] == b"0" and not kept:
        raise WrongAnswer(
            f"{service.name}: expected an API that keeps its connections at {service.address}, found HTTP/1.0 without "
            "keep-alive: a call would mostly measure how one is made. Turn on HTTP/1.1."
        )
    return ApiSession(service)


class ApiSession(HttpSession[LearntRoute]):
    """A session with an API of which nothing is known but its routes."""

    def facts(self) -> Facts:
        """What its headers say of the server and, where a JSON object is at `/`, what that says of the API."""
        headers, said = self._said_at_root()
        told_of = {
            "framework": said.get("framework"),
            "server": headers.get("server"),
            "x-powered-by": headers.get("x-powered-by"),
        }
        settings = {name: plain(value) for name, value in told_of.items() if _is_word(value)}
        version = plain(said["version"]) if _is_word(said.get("version")) else "unknown"
        name = plain(said["name"]) if _is_word(said.get("name")) else "unknown API"
        by = ", ".join(dict.fromkeys(settings.values()))
        return Facts(
            product=f"{name}{'' if version == 'unknown' else f' {version}'}{f' ({by})' if by else ''}",
            version=version,
            settings=settings,
        )

    def objects(self) -> Sequence[str]:
        """Nothing is made."""
        return ()

    def assume(self) -> None:
        """As `prepare`: nothing is made by asking; raises a `WrongAnswer` where no route can be measured."""
        self.prepare()

    def prepare(self) -> None:
        """Ask every route: only those that answer right, and for themselves, are measured. Raises a `WrongAnswer`."""
        self._floor.start()
        self._rows = self._learnt_rows()
        self._refuse_none()

    def preflight(self) -> Sequence[str]:
        """Which routes would not be measured as they are, and why."""
        self._learnt_rows()
        return grouped(self.unmeasurable)

    def tool_scripts(self) -> Mapping[str, str]:
        """The path that is load tested, unless a cache is before it: tools cannot ask it to let them pass."""
        tested = (row for row in self._rows if self._is_first(row) and not row.cache)
        return {row.name: row.target for row in tested if self._limit is None}

    def clean(self) -> None:
        """Stop our own server; in the API there is nothing of ours."""
        self._floor.stop()

    def _said_at_root(self) -> tuple[Mapping[str, str], Mapping[str, Any]]:
        """Headers and JSON object of `/`; of an API that has nothing there, the headers of its first route."""
        headers: Mapping[str, str] = {}
        for target in dict.fromkeys(("/", self._service.routes[0])):
            with suppress(ServiceError):
                answer = self._client.ask("GET", target)
                headers = {**answer.headers, **headers}
                if target == "/" and answer.status == 200:
                    return headers, json_object(answer.body) or {}
        return headers, {}

    def _learnt_rows(self) -> Sequence[LearntRoute]:
        """The rows that can be measured, each with what was learnt of it."""
        self.answers, self.unmeasurable = [], {}
        learnt: list[LearntRoute] = []
        for target in self._service.routes:
            title = f"GET {target}"
            found = self._learn(LearntRoute(name=name_of(target), title=title, method="GET", target=target))
            if isinstance(found, str):
                self.unmeasurable[title] = found
            else:
                learnt.append(found)
        if self._limit is None:
            return self._measurable(learnt, standing_before(self._client, learnt, known=False), self._wrong)
        self._note_limited(self._limit, [row.title for row in learnt])
        return learnt

    def _learn(self, route: LearntRoute) -> LearntRoute | str:
        """A route with what its first answers say, or what is wrong with them."""
        learnt = route
        for number in range(2):
            try:
                answer = self._client.ask(route.method, route.target)
            except ServiceError as error:
                return str(error)
            self.keep_to(limit_told(answer))
            if limit := refused_by(answer) if self._limit else limited_by(answer):
                return explained(PreflightWarning("limit", limit))
            if number == 0:
                learnt = route.learn(answer)
                self.answers.append(told(route.title, answer, states=CONTRACT.get(route.title, False)))
            # Whether a cache answered is asked later, with more than one look.
            if wrong := learnt.wrong(answer) or _wrong_end(answer):
                return wrong
        return learnt

    def _wrong(self, row: LearntRoute) -> str | None:
        """What is wrong with a row that a cache stands before; the others were asked already."""
        if not row.cache:
            return None
        try:
            if row.cache == "asked":
                self._fill_cache(row)
            return row.verify(self._client.ask(row.method, row.target, headers=row.headers))
        except ServiceError as error:
            return str(error)

    def _is_first(self, row: LearntRoute) -> bool:
        return row.target == self._service.routes[0] and row.cache != "asked"

    def _operation(self, row: LearntRoute) -> Operation:
        return Operation(
            name=row.name,
            title=row.title,
            wire=partial(self._wire, row),
            driver=partial(self._driver, row),
            reset=(lambda _users, _size: self._fill_cache(row)) if row.cache == "asked" else None,
            sustained=self._is_first(row),
            repeatable=True,
        )

    def _wire(self, row: LearntRoute, connection: HttpConnection, _user: int, _size: int) -> Wire:
        return row.wire(connection, self._service.address)

    def _driver(self, row: LearntRoute, connection: HttpConnection, _user: int, _size: int) -> Driver:
        client, headers = connection.client(self._service.address), dict(row.headers)
        # The path as it is written: the driver would write some characters in another way.
        exactly = {"target": row.target.encode("ascii")}
        return row.driver(lambda _: client.request("GET", "/", headers=headers, extensions=exactly))


def _is_word(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def _wrong_end(answer: Answer) -> str | None:
    """What is wrong with an answer after which the connection ends."""
    if "close" not in answer.headers.get("connection", "").lower():
        return None
    return "expected a connection that is kept, found Connection: close, so that a call would mostly measure how one is made"
