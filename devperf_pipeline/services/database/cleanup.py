"""What is ours in a database, how is it told from what only has its name, and how does it leave after a killed run?"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from devperf_pipeline.errors import ServiceRefused


class OwnSpace(ABC):
    """
    The one space of a database that is ours, with all that is in it.

    `named` is the space by kind and name, "database devperf"; `mark` is what tells it from one that only has the same
    name, "hold our table …"; `remedies` what may be done where it does not.
    """

    mark: str
    remedies: str = "Rename it, or drop it if it is a leftover."

    @property
    @abstractmethod
    def named(self) -> str: ...

    @abstractmethod
    def found(self) -> bool | None:
        """Whether the space that has our name carries our mark; None if there is no such space."""

    @abstractmethod
    def make(self) -> None:
        """Make our space, where there is none, with everything seeded."""

    @abstractmethod
    def fill(self, table: str, rows: int) -> None:
        """Let a table of ours hold the rows 1 to `rows`, and no others."""

    @abstractmethod
    def drop(self) -> None:
        """Drop our space, which is there."""

    def claim(self, where: str) -> None:
        """
        Make our space in the place of one that an earlier run left.

        Raises:
            ServiceRefused: it exists and is not ours, or we may not create it.

        """
        if self.found() is False:
            raise ServiceRefused(
                f"{where}: {self.named} should not exist, or be one that an earlier baseline left, "
                f"but it does not {self.mark}. Nothing was touched. {self.remedies}"
            )
        self.remove()
        self.make()

    def remove(self) -> None:
        if self.found():
            self.drop()

    def taken(self) -> Sequence[str]:
        """That somebody else has a space of our name, as a warning of a preflight."""
        if self.found() is False:
            return [f"a {self.named} exists that this project did not make: rename it"]
        return []
