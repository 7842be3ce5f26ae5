"""
What do the databases hold that are measured, and which keys does a user's call take?

Every value follows from its key, so a reply can be verified without remembering what was asked.
"""

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
