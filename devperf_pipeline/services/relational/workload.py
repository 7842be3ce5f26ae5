"""
What is a relational database asked?

The published operations, `%s` for arguments and `{space}` for the schema or database that is ours.
"""

from devperf_pipeline.services.relational.rows import (
    JOINED_ROWS,
    ROWS,
    Arguments,
    Recipe,
    Statement,
    any_key,
    item,
    joined,
    new_key,
    own_key,
    value_of,
)


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
    sustained=True,
)
FULL_SCAN = Recipe(
    name="full-scan",
    title="SELECT (full scan, 10k rows)",
    statements=(
        Statement(text="SELECT id, name, value FROM {space}.items", verb="SELECT", count=ROWS, row=item),
    ),
    arguments=lambda _user, _number, _size: ((),),
    least_s=0.2,  # a driver may take 25 ms
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
