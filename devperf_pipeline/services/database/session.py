"""What do the sessions with databases have in common: a connection of their own, and one space there that is ours?"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from devperf_pipeline.model import Service
from devperf_pipeline.services.database.cleanup import OwnSpace
from devperf_pipeline.services.operation import Connection, Session

Own = TypeVar("Own", bound=Connection)


class DatabaseSession(Session, Generic[Own]):
    """A session with a database. See `operation.Session`."""

    def __init__(self, service: Service, connect: Callable[[Service], Own]) -> None:
        super().__init__()
        self._service = service
        self._connect = connect
        self._own = connect(service)

    @property
    @abstractmethod
    def _space(self) -> OwnSpace:
        """What is ours there."""

    def objects(self) -> Sequence[str]:
        return [self._space.named]

    def prepare(self) -> None:
        self._space.claim(self._service.where)

    def connect(self) -> Own:
        """A new connection whose way to the database was tried."""
        return self._connect(self._service)

    def renew(self, service: Service) -> None:
        own = self._connect(service)
        self._own.close()
        self._service, self._own = service, own

    def clean(self) -> None:
        self._space.remove()

    def close(self) -> None:
        self._own.close()

    def _reconnect(self) -> None:
        """Replace our own connection: it broke, and cleaning up must not depend on it."""
        self._own.close()
        self._own = self._connect(self._service)
