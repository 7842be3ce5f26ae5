"""
What do relational databases have in common: the rows they hold, and the shape of an operation?

PostgreSQL and MySQL are asked the same, in the same words: what differs is only how each protocol carries it.
Every value follows from its key, so a reply can be verified without remembering what was asked.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.operation import Driver, Operation, Wire

ROWS = 10_000
"""Rows of every table that is read or updated."""

JOINED_ROWS = 1_000
"""Rows of each of the two joined tables."""

ITEM_TABLES = ("items", "inserted", "updated", "deleted", "transacted")
"""The tables of items; each operation that changes rows has its own, so that none disturbs another."""

CALLS = 1_000
"""Different calls that are prepared for one user, when calls are cycled."""

LANES = 32
"""Up to so many users update rows of their own; more would wait for each other's row locks."""

USERS = (5,)
"""How many users at once the published figures imply, for every operation."""

LARGEST = 20_000
"""Rows that one user may consume in one round of a finite operation."""

Arguments = tuple[int | str, ...]

Result = tuple[int, Sequence[tuple[Any, ...]]]
"""What a driver says of one statement: rows returned or changed, and the rows."""


def name_of(key: int) -> str:
    """The name in the row of `key`: 13 characters. No value holds a byte that a protocol could take for an end."""
    return f"item-{key:08d}"


def value_of(key: int) -> str:
    """The value in the row of `key`: 100 characters."""
    return f"{key:010d}" * 10


def item(key: int) -> tuple[int, str, str]:
    """The row of `key` in every table of items."""
    return key, name_of(key), value_of(key)


def joined(key: int) -> tuple[int, int, str]:
    """What the join says of the order `key`: its amount and its customer's name."""
    return key, key * 3, name_of(1 + key * 7 % JOINED_ROWS)


def any_key(user: int, number: int) -> int:
    """The key that a user reads in this call: spread over the whole table, other users elsewhere."""
    return 1 + (user * 2_003 + number * 7_919) % ROWS


def own_key(user: int, number: int) -> int:
    """A key that no other user writes, spread over the whole table."""
    return 1 + user % LANES + LANES * (number * 37 % (ROWS // LANES))


def new_key(user: int, number: int) -> int:
    """A key above the seeded ones that no other user inserts."""
    return 1 + ROWS + user * CALLS + number % CALLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """
    One statement, with `%s` for arguments and `{space}` for the schema or database that is ours.

    `count` is how many rows it returns or changes; `row` says what the returned row of a key must be.
    """

    text: str
    verb: str
    count: int = 1
    row: Callable[[int], tuple[Any, ...]] | None = None

    def wrong(self, rows: Sequence[Sequence[Any]]) -> str | None:
        """What is wrong with the rows that came back, or None."""
        if self.row is None:
            return f"{self.verb} returned {len(rows)} rows instead of none" if rows else None
        if len(rows) != self.count:
            return f"{len(rows)} rows instead of {self.count}"
        if len({row[0] for row in rows}) != self.count:
            return "the same row came twice"
        for row in rows:
            if tuple(row) != self.row(row[0]):
                return f"row {row[0]!r} is {tuple(row)!r} instead of {self.row(row[0])!r}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """
    One operation: its statements, and their arguments in a user's call.

    `arguments(user, number, size)` gives one tuple for each statement.
    `table` is what the operation changes; before each round it holds the rows 1 to `rows(users, size)` again.
    A `transaction` is begun and committed around the statements, each a round trip of its own.
    """

    name: str
    title: str
    statements: tuple[Statement, ...]
    arguments: Callable[[int, int, int], tuple[Arguments, ...]]
    table: str | None = None
    rows: Callable[[int, int], int] = lambda _users, _size: ROWS
    transaction: bool = False
    finite: bool = False
    least_s: float = 0.0
    sustained: bool = False

    @property
    def exchanges(self) -> Sequence[Statement | None]:
        """The statements in the order in which they are answered; None is the begin or the end of a transaction."""
        return (None, *self.statements, None) if self.transaction else self.statements

    def every_call(self, user: int, size: int) -> Iterable[tuple[Arguments, ...]]:
        """The arguments of all calls that are prepared for one user."""
        calls = size if self.finite else min(size, CALLS)
        return (self.arguments(user, number, size) for number in range(calls))

    def check(self, results: Sequence[Result]) -> int:
        """The outcome of a call through a driver: every statement returned or changed as many rows as it should."""
        for (count, _), statement in zip(results, self.statements, strict=True):
            if count != statement.count:
                return Outcome.WRONG
        return Outcome.OK

    def wrong(self, results: Sequence[Result]) -> str | None:
        """What is wrong with what a driver returned, read in full, or None."""
        for (_, rows), statement in zip(results, self.statements, strict=True):
            if (problem := statement.wrong(rows)) is not None:
                return problem
        return None

    def operation(
        self,
        *,
        wire: Callable[["Recipe", Any, int, int], Wire],
        driver: Callable[["Recipe", Any, int, int], Driver],
        fill: Callable[[str, int], None],
    ) -> Operation:
        """
        The operation of this recipe, given how one database carries it.

        Args:
            wire: prepares a user's calls as bytes.
            driver: prepares a user's calls through the driver.
            fill: empties a table and lays in so many rows.

        """

        def reset(users: int, size: int) -> None:
            if self.table is not None:
                fill(self.table, self.rows(users, size))

        return Operation(
            name=self.name,
            title=self.title,
            users=USERS,
            wire=lambda connection, user, size: wire(self, connection, user, size),
            driver=lambda connection, user, size: driver(self, connection, user, size),
            reset=reset if self.table else None,
            finite=self.finite,
            least_s=self.least_s,
            largest=LARGEST,
            sustained=self.sustained,
        )


def what_failed(replies: Sequence[bytes], error_of: Callable[[bytes], str | None]) -> int:
    """The outcome of a call whose replies are not right: ERROR if the server said so in one of them, WRONG if not."""
    try:
        errors = [error_of(reply) for reply in replies]
    except ValueError:
        return Outcome.WRONG
    return Outcome.ERROR if any(errors) else Outcome.WRONG
