"""What do the sessions with APIs have in common: which rows can be measured, and why not the others?"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Service
from devperf_pipeline.services.http.client import HttpClient
from devperf_pipeline.services.http.connection import EXCEPTIONS, HttpConnection
from devperf_pipeline.services.http.floor import Floor
from devperf_pipeline.services.http.limits import Limit
from devperf_pipeline.services.http.preflight import PASSING, PreflightWarning, rows_of
from devperf_pipeline.services.http.workload import HttpRoute
from devperf_pipeline.services.operation import Operation, Pace, Session

Row = TypeVar("Row", bound=HttpRoute)


class HttpSession(Session, Generic[Row]):
    """A session with one API. See `operation.Session`."""

    exceptions = EXCEPTIONS

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service
        self._client = HttpClient(service.where, service.address, headers=service.sent)
        self._floor = Floor()
        self._rows: Sequence[Row] = ()
        self._limit: Limit | None = None

    def operations(self) -> Sequence[Operation]:
        """The floor and the rows that can be measured."""
        return [self._floor.operation(), *(self._kept_to(self._operation(row)) for row in self._rows)]

    def connect(self) -> HttpConnection:
        return HttpConnection({self._service.address: self._service.sent})

    def renew(self, service: Service) -> None:
        """Its headers are all there is of credentials."""
        self._client.headers = service.sent
        self._service = service

    def close(self) -> None:
        self._floor.stop()
        self._client.close()

    @abstractmethod
    def _operation(self, row: Row) -> Operation: ...

    def keep_to(self, limit: Limit | None) -> None:
        """Keep to a limit of the whole API from now on, if there is one: whatever this session asks counts."""
        if limit is not None and self._limit is None:
            self._limit, self._client.pace = limit, limit.pace()

    def _pace_of(self, _title: str) -> Pace | None:
        """The pace at which a row may be asked; None where nothing limits it."""
        return self._client.pace

    def _kept_to(self, operation: Operation) -> Operation:
        """An operation as limits let it be measured: by the engine alone, and never by many users."""
        pace = self._pace_of(operation.title)
        if pace is None:
            return operation
        return replace(operation, pace=pace, driver=None, repeatable=False, sustained=False, held=False)

    def _note_limited(self, limit: Limit, titles: Sequence[str]) -> None:
        """Say of which rows a limit allows only few calls, and what it rules out."""
        if titles:
            self.unmeasurable[f"more than a few calls of {', '.join(titles)}"] = (
                f"a rate limit allows {limit}"
            )
            if limit is self._limit:
                self.unmeasurable["load tests, memory per request"] = f"a rate limit allows {limit}"

    def _measurable(
        self,
        routes: Iterable[Row],
        warnings: Mapping[str, PreflightWarning],
        wrong: Callable[[Row], str | None],
    ) -> list[Row]:
        """
        The rows that answer right and for themselves; why the others do not goes to `unmeasurable`.

        `wrong` says what is wrong with a row's first answer, or None.
        A route that is cached gives two rows: cold, and one of the cache's answers.
        """
        measurable: list[Row] = []
        for route in routes:
            rows, why = rows_of(route, warnings.get(route.name))
            if why is not None:
                self.unmeasurable[route.title] = why
            for row in rows:
                if (found := wrong(row)) is None:
                    measurable.append(row)
                else:
                    self.unmeasurable[row.title] = found
        return measurable

    def _refuse_none(self) -> None:
        """Raise a `WrongAnswer` where there are no rows."""
        if not self._rows:
            raise WrongAnswer(
                f"{self._service.where} answers no route so that it could be measured: "
                f"{'; '.join(grouped(self.unmeasurable))}. Look at its settings and log, and at its routes."
            )

    def _fill_cache(self, row: HttpRoute) -> None:
        """Have the answer made and kept again, so that the cache holds it for its whole time."""
        self._client.ask(row.method, row.target, headers=PASSING)
        self._client.ask(row.method, row.target)


def grouped(reasons: Mapping[str, str]) -> list[str]:
    """One sentence a reason, after all titles that it is said of."""
    titles: dict[str, list[str]] = {}
    for title, why in reasons.items():
        titles.setdefault(why, []).append(title)
    return [f"{', '.join(those)}: {why}" for why, those in titles.items()]
