"""What do the visits to databases have in common: a connection of their own, and one space there that is ours?"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.model import Service
from devperf_pipeline.services.operation import Connection, Session

Own = TypeVar("Own", bound=Connection)


class DatabaseSession(Session, Generic[Own]):
    """
    One visit to a database. See `operation.Session`.

    `named` is our space by kind and name, "database devperf"; `mark` is what tells it from one that only has the same
    name, "hold our table …"; `remedies` what may be done where it does not.
    """

    def __init__(
        self,
        service: Service,
        connect: Callable[[Service], Own],
        *,
        named: str,
        mark: str,
        remedies: str = "Rename it, or drop it if it is a leftover.",
    ) -> None:
        super().__init__()
        self._service = service
        self._connect = connect
        self._named, self._mark, self._remedies = named, mark, remedies
        self._own = connect(service)

    def objects(self) -> Sequence[str]:
        """Our space, with all that is in it."""
        return [self._named]

    def assume(self) -> None:
        """The operations are known without having prepared anything."""

    def prepare(self) -> None:
        """
        Make our space anew, with everything seeded.

        Raises:
            ServiceRefused: it exists and is not ours, or we may not create it.

        """
        if self._found() is False:
            raise ServiceRefused(
                f"{self._where()}: {self._named} should not exist, or be one that an earlier baseline left, "
                f"but it does not {self._mark}. Nothing was touched. {self._remedies}"
            )
        self.clean()
        self._make()

    def connect(self) -> Own:
        """A new connection whose way to the database was tried."""
        return self._connect(self._service)

    def renew(self, service: Service) -> None:
        """Go on with other credentials."""
        own = self._connect(service)
        self._own.close()
        self._service, self._own = service, own

    def clean(self) -> None:
        """Drop our space, and nothing that only has its name."""
        if self._found():
            self._drop()

    def close(self) -> None:
        """End the visit; never raises."""
        self._own.close()

    @abstractmethod
    def _found(self) -> bool | None:
        """Whether the space that has our name carries our mark; None if there is no such space."""

    @abstractmethod
    def _make(self) -> None:
        """Make our space, where there is none, with everything seeded."""

    @abstractmethod
    def _drop(self) -> None:
        """Drop our space, which is there."""

    def _taken(self) -> Sequence[str]:
        """That somebody else has a space of our name, as `Session.preflight` says it."""
        if self._found() is False:
            return [f"a {self._named} exists that this project did not make: rename it"]
        return []

    def _connect_anew(self) -> None:
        """Replace our own connection: it broke, and cleaning up must not depend on it."""
        self._own.close()
        self._own = self._connect(self._service)

    def _where(self) -> str:
        return f"{self._service.name} at {self._service.address}"
