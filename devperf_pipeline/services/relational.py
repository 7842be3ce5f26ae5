"""
What is asked of a relational database, and which rows does it hold?

PostgreSQL and MySQL are asked the same, in the same words: what differs is only how each protocol carries it.
Every value follows from its key, so a reply can be verified without remembering what was asked.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

ROWS = 10_000
"""Rows of every table that is read or updated."""

JOINED_ROWS = 1_000
"""Rows of each of the two joined tables."""

CALLS = 1_000
"""Different calls that are prepared for one user, when calls are cycled."""

LANES = 32
"""Up to so many users update rows of their own; more would wait for each other's row locks."""

LARGEST = 20_000
"""Rows that one user may consume in one round of a finite operation."""

Arguments = tuple[int | str, ...]


def name_of(key: int) -> str:
    """
    The name in the row of `key`: 13 characters. No value holds a byte that a protocol could take for an end.
    """
    return f"item-{key:08d}"


def value_of(key: int) -> str:
    """
    The value in the row of `key`: 100 characters.
    """
    return f"{key:010d}" * 10


def item(key: int) -> tuple[int, str, str]:
    """
    The row of `key` in every table of items.
    """
    return key, name_of(key), value_of(key)


def joined(key: int) -> tuple[int, int, str]:
    """
    What the join says of the order `key`: its amount and its customer's name.
    """
    return key, key * 3, name_of(1 + key * 7 % JOINED_ROWS)


def any_key(user: int, number: int) -> int:
    """
    The key that a user reads in this call: spread over the whole table, other users elsewhere.
    """
    return 1 + (user * 2_003 + number * 7_919) % ROWS


def own_key(user: int, number: int) -> int:
    """
    A key that no other user writes, spread over the whole table.
    """
    return 1 + user % LANES + LANES * (number * 37 % (ROWS // LANES))


def new_key(user: int, number: int) -> int:
    """
    A key above the seeded ones that no other user inserts.
    """
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
        """
        What is wrong with the rows that came back, or None.
        """
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

    def every_call(self, user: int, size: int) -> Iterable[tuple[Arguments, ...]]:
        """
        The arguments of all calls that are prepared for one user.
        """
        calls = size if self.finite else min(size, CALLS)
        return (self.arguments(user, number, size) for number in range(calls))


def _transaction(user: int, number: int, _size: int) -> tuple[Arguments, ...]:
    new, own = new_key(user, number), own_key(user, number)
    return item(new), (own,), (value_of(own), own), (new,), (new,)


INSERT = Recipe(
    name="insert",
    title="INSERT (single row)",
    statements=(Statement(text="INSERT INTO {space}.inserted (name, value) VALUES (%s, %s)", verb="INSERT"),),
    arguments=lambda user, number, _size: (item(any_key(user, number))[1:],),
    table="inserted",
    rows=lambda _users, _size: 0,
)
SELECT_BY_KEY = Recipe(
    name="select-by-key",
    title="SELECT (by primary key)",
    statements=(
        Statement(text="SELECT id, name, value FROM {space}.items WHERE id = %s", verb="SELECT", row=item),
    ),
    arguments=lambda user, number, _size: ((any_key(user, number),),),
)
FULL_SCAN = Recipe(
    name="full-scan",
    title="SELECT (full scan, 10k rows)",
    statements=(
        Statement(text="SELECT id, name, value FROM {space}.items", verb="SELECT", count=ROWS, row=item),
    ),
    arguments=lambda _user, _number, _size: ((),),
)
"""All 10,000 rows are transferred, about 1.2 MB, and received before the call ends."""

UPDATE = Recipe(
    name="update",
    title="UPDATE (single row)",
    # The version changes with every call: MySQL writes nothing when a row stays as it was.
    statements=(
        Statement(
            text="UPDATE {space}.updated SET value = %s, version = version + 1 WHERE id = %s", verb="UPDATE"
        ),
    ),
    arguments=lambda user, number, _size: ((value_of(own_key(user, number)), own_key(user, number)),),
    table="updated",
)
DELETE = Recipe(
    name="delete",
    title="DELETE (single row)",
    statements=(Statement(text="DELETE FROM {space}.deleted WHERE id = %s", verb="DELETE"),),
    arguments=lambda user, number, size: ((1 + user * size + number,),),
    table="deleted",
    rows=lambda users, size: users * size,
    finite=True,
)
TRANSACTION = Recipe(
    name="transaction",
    title="Transaction (5 operations)",
    statements=(
        Statement(text="INSERT INTO {space}.transacted (id, name, value) VALUES (%s, %s, %s)", verb="INSERT"),
        Statement(
            text="SELECT id, name, value FROM {space}.transacted WHERE id = %s", verb="SELECT", row=item
        ),
        Statement(
            text="UPDATE {space}.transacted SET value = %s, version = version + 1 WHERE id = %s",
            verb="UPDATE",
        ),
        Statement(
            text="SELECT id, name, value FROM {space}.transacted WHERE id = %s", verb="SELECT", row=item
        ),
        Statement(text="DELETE FROM {space}.transacted WHERE id = %s", verb="DELETE"),
    ),
    arguments=_transaction,
    table="transacted",
    transaction=True,
)
JOIN = Recipe(
    name="join",
    title="Join (2 tables, 1k rows each)",
    statements=(
        Statement(
            text="SELECT orders.id, orders.amount, customers.name"
            " FROM {space}.orders JOIN {space}.customers ON customers.id = orders.customer",
            verb="SELECT",
            count=JOINED_ROWS,
            row=joined,
        ),
    ),
    arguments=lambda _user, _number, _size: ((),),
)
"""Every order with its customer's name; all 1,000 rows are transferred."""

ITEM_TABLES = ("items", "inserted", "updated", "deleted", "transacted")
