"""What is a route that an API is asked for, by the engine and by the driver, and which of its answers are right?"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, Self

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Address, Outcome
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.connection import (
    EXCEPTIONS,
    HttpConnection,
    Response,
    answer_of,
    failure,
    status_of,
)
from devperf_pipeline.services.http.protocol import NONE, PASSING, Answer, cached_by, check, says_hit
from devperf_pipeline.services.operation import Driver, Step, Wire

Method = Literal["GET", "POST", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRoute(ABC):
    """
    One row of an API's table: `title` is what people call it, `target` what is really asked for.

    `cache` is set where the API caches this route: it is asked to be "passed", or "asked" on purpose.
    """

    name: str
    title: str
    method: Method
    target: str
    headers: Mapping[str, str] = field(default_factory=lambda: NONE)
    cache: Literal["", "passed", "asked"] = ""

    def cold(self) -> Self:
        """The same row of a route that is cached, answered by the API itself."""
        return replace(self, headers=PASSING, cache="passed")

    def cached(self) -> Self:
        """The row of its own that a cache's answers get."""
        return replace(self, name=f"{self.name}-cached", title=f"{self.title} (cached)", cache="asked")

    def wire(
        self,
        connection: HttpConnection,
        address: Address,
        *,
        body: bytes | None = None,
        before: Callable[[], None] | None = None,
    ) -> Wire:
        """One user's calls by the engine. For `before` see `operation.Wire`."""
        headers = {**connection.headers(address), **self.headers}
        request = protocol.encode(self.method, self.target, address.called, body, headers=headers)
        return Wire(
            sockets=[connection.take_socket(address)],
            calls=[(Step(request, protocol.complete),)],
            check=lambda replies: self.check(replies[0]),
            verify=lambda replies: self._wrong(partial(protocol.parse, replies[0])),
            before=before,
        )

    def driver(self, call: Callable[[int], Response], *, before: Callable[[], None] | None = None) -> Driver:
        """One user's calls by the driver. For `before` see `operation.Wire`."""

        def check(response: Response) -> Outcome:
            outcome = status_of(response)
            if outcome is not Outcome.OK:
                return outcome
            if self.cache and not self.from_cache(cached_by(response.headers) is not None):
                return Outcome.WRONG
            return self.check_body(response.content)

        return Driver(
            call=call,
            check=check,
            verify=lambda response: self._wrong(partial(answer_of, response)),
            exceptions=EXCEPTIONS,
            failure=failure,
            before=before,
        )

    def check(self, received: bytes) -> Outcome:
        """How a call ended, by a few bytes of the answer."""
        outcome = check(received)
        if outcome is not Outcome.OK:
            return outcome
        return self.check_body(received) if self.from_cache(says_hit(received)) else Outcome.WRONG

    def from_cache(self, hit: bool) -> bool:
        """Whether an answer came from where this row's answers come from."""
        return not self.cache or hit == (self.cache == "asked")

    @abstractmethod
    def check_body(self, body: bytes) -> Outcome:
        """How a call ended whose status is right."""

    @abstractmethod
    def verify(self, answer: Answer) -> str | None:
        """What is wrong with a whole answer, or None."""

    def _wrong(self, answer: Callable[[], Answer]) -> str | None:
        """What is wrong with an answer, also when it is none."""
        try:
            return self.verify(answer())
        except WrongAnswer as error:
            return str(error)

    def wrong_source(self, answer: Answer) -> str | None:
        """Who answered in whose place, if that is not as this row says."""
        cached = cached_by(answer.headers)
        if bool(cached) == (self.cache == "asked"):
            return None
        found = f"a cache's answer ({cached[:60]})" if cached else "the API's own answer"
        return f"expected {'a cache' if self.cache == 'asked' else 'the API'} to answer, found {found}"


def pointing(answer: Answer) -> str:
    """Where a redirect points."""
    where = answer.headers.get("location")
    return f", which points to {where[:100]}" if where and answer.status // 100 == 3 else ""
