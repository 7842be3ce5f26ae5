"""
What is a relational database asked, and which answers are right?

PostgreSQL and MySQL are asked the same, in the same words: what differs is only how each protocol carries it.
`Recipe` is also what a document database's operations have in common with theirs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.database.seed import (
    CALLS,
    JOINED_ROWS,
    ROWS,
    any_key,
    item,
    joined,
    name_of,
    new_key,
    own_key,
    value_of,
)
from devperf_pipeline.services.operation import Driver, Operation, Step, Wire

USERS = (5,)
"""How many users at once the published figures imply, for every operation."""

CONNECTIONS = max(USERS) + 3
"""Our users, the driver's, the session's own, and one to spare."""

LARGEST = 20_000
"""Rows that one user may consume in one round of a finite operation."""

Arguments = tuple[int | str, ...]

Result = tuple[int, Sequence[tuple[Any, ...]]]
"""What a driver says of one statement: rows returned or changed, and the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """
    One operation of a database.

    `arguments(user, number, size)` is what differs from call to call.
    `table` is what the operation changes; before each round it holds the rows 1 to `rows(users, size)` again.
    """

    name: str
    title: str
    arguments: Callable[[int, int, int], Any]
    table: str | None = None
    rows: Callable[[int, int], int] = lambda _users, _size: ROWS
    finite: bool = False
    took_s: float = 0.0
    sustained: bool = False

    @property
    def round_trips(self) -> int:
        """How often a call goes to the server and back."""
        return 1

    def every_call(self, user: int, size: int) -> list[Any]:
        """The arguments of all calls that are prepared for one user."""
        calls = size if self.finite else min(size, CALLS)
        return [self.arguments(user, number, size) for number in range(calls)]

    def operation(
        self,
        *,
        wire: Callable[[Self, Any, int, int], Wire],
        driver: Callable[[Self, Any, int, int], Driver],
        fill: Callable[[str, int], None],
    ) -> Operation:
        """The operation, given how one database prepares a user's calls and fills a table with so many rows."""
        table = self.table
        return Operation(
            name=self.name,
            title=self.title,
            users=USERS,
            wire=lambda connection, user, size: wire(self, connection, user, size),
            driver=lambda connection, user, size: driver(self, connection, user, size),
            reset=(lambda users, size: fill(table, self.rows(users, size))) if table else None,
            finite=self.finite,
            round_trips=self.round_trips,
            took_s=self.took_s,
            reset_trips=1 if table else 0,
            largest=LARGEST,
            sustained=self.sustained,
        )


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
class SqlRecipe(Recipe):
    """
    One operation of a relational database: its statements; `arguments` gives one tuple for each.

    A `transaction` is begun and committed around the statements, each a round trip of its own.
    `scripted` is the same for pgbench: what is set before, and the arguments of each statement.
    """

    statements: tuple[Statement, ...]
    transaction: bool = False
    scripted: tuple[str, tuple[tuple[str, ...], ...]] = ("", ((),))

    @property
    def exchanges(self) -> Sequence[Statement | None]:
        """The statements in the order in which they are answered; None is the begin or the end of a transaction."""
        return (None, *self.statements, None) if self.transaction else self.statements

    @property
    def round_trips(self) -> int:
        return len(self.exchanges)

    def texts(self, space: str) -> list[str]:
        """The texts of all exchanges."""
        texts = [statement.text.replace("{space}", space) for statement in self.statements]
        return ["BEGIN", *texts, "COMMIT"] if self.transaction else texts

    def script(self, space: str) -> str:
        """The operation as a script of pgbench."""
        before, arguments = self.scripted
        given = ((), *arguments, ()) if self.transaction else arguments
        lines = [
            f"{text.replace('%s', '{}').format(*words)};"
            for text, words in zip(
                self.texts(space.replace("{", "{{").replace("}", "}}")), given, strict=True
            )
        ]
        return "\n".join([before, *lines]) + "\n"

    def steps(
        self,
        texts: Sequence[str],
        user: int,
        size: int,
        encode: Callable[[str, Arguments], bytes],
        complete: Callable[[bytes], bool],
    ) -> list[tuple[Step, ...]]:
        """All calls of one user, given how one text and its arguments become bytes."""
        calls: list[tuple[Step, ...]] = []
        for arguments in self.every_call(user, size):
            given = ((), *arguments, ()) if self.transaction else arguments
            calls.append(tuple(Step(encode(*each), complete) for each in zip(texts, given, strict=True)))
        return calls

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


def few_connections(free: int) -> Iterator[str]:
    """That too few connections are left for our users, if so."""
    if free < CONNECTIONS:
        yield f"few connections are left: {max(free, 0)}, and we take up to {CONNECTIONS}"


def what_failed(replies: Sequence[bytes], error_of: Callable[[bytes], str | None]) -> int:
    """The outcome of a call whose replies are not right: ERROR if the server said so in one of them, WRONG if not."""
    try:
        errors = [error_of(reply) for reply in replies]
    except ValueError:
        return Outcome.WRONG
    return Outcome.ERROR if any(errors) else Outcome.WRONG


def _transaction(user: int, number: int, _size: int) -> tuple[Arguments, ...]:
    new, own = new_key(user, number), own_key(user, number)
    return item(new), (own,), (value_of(own), own), (new,), (new,)


ANY_KEY = rf"\set id random(1, {ROWS})"
OWN_ROW = r"\set n :n + 1" + "\n" + r"\set id 1 + :client_id * :size + :n"
NEW_KEY = rf"\set id 1 + {ROWS} + :client_id * {CALLS} + random(0, {CALLS - 1})"
"""For pgbench. `-D n=-1 -D size=…` starts the count of the rows that a client consumes, `size` at most."""

NAME, VALUE, ID = f"'{name_of(1)}'", f"'{value_of(1)}'", ":id"

INSERT = SqlRecipe(
    name="insert",
    title="INSERT (single row)",
    statements=(Statement(text="INSERT INTO {space}.inserted (name, value) VALUES (%s, %s)", verb="INSERT"),),
    arguments=lambda user, number, _size: (item(any_key(user, number))[1:],),
    scripted=("", ((NAME, VALUE),)),
    table="inserted",
    rows=lambda _users, _size: 0,
)
SELECT_BY_KEY = SqlRecipe(
    name="select-by-key",
    title="SELECT (by primary key)",
    statements=(
        Statement(text="SELECT id, name, value FROM {space}.items WHERE id = %s", verb="SELECT", row=item),
    ),
    arguments=lambda user, number, _size: ((any_key(user, number),),),
    scripted=(ANY_KEY, ((ID,),)),
    sustained=True,
)
FULL_SCAN = SqlRecipe(
    name="full-scan",
    title="SELECT (full scan, 10k rows)",
    statements=(
        Statement(text="SELECT id, name, value FROM {space}.items", verb="SELECT", count=ROWS, row=item),
    ),
    arguments=lambda _user, _number, _size: ((),),
    took_s=0.01,
)
"""All 10,000 rows are transferred, about 1.2 MB, and received before the call ends."""

UPDATE = SqlRecipe(
    name="update",
    title="UPDATE (single row)",
    # The version changes with every call: MySQL writes nothing when a row stays as it was.
    statements=(
        Statement(
            text="UPDATE {space}.updated SET value = %s, version = version + 1 WHERE id = %s", verb="UPDATE"
        ),
    ),
    arguments=lambda user, number, _size: ((value_of(own_key(user, number)), own_key(user, number)),),
    scripted=(ANY_KEY, ((VALUE, ID),)),
    table="updated",
)
DELETE = SqlRecipe(
    name="delete",
    title="DELETE (single row)",
    statements=(Statement(text="DELETE FROM {space}.deleted WHERE id = %s", verb="DELETE"),),
    arguments=lambda user, number, size: ((1 + user * size + number,),),
    scripted=(OWN_ROW, ((ID,),)),
    table="deleted",
    rows=lambda users, size: users * size,
    finite=True,
)
TRANSACTION = SqlRecipe(
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
    scripted=(NEW_KEY, ((ID, NAME, VALUE), (ID,), (VALUE, ID), (ID,), (ID,))),
    table="transacted",
    transaction=True,
)
JOIN = SqlRecipe(
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

RECIPES = (INSERT, SELECT_BY_KEY, FULL_SCAN, UPDATE, DELETE, TRANSACTION)
"""What every relational database is asked; PostgreSQL makes the `JOIN`, too."""
