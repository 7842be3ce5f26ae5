"""
What do the own operations of relational databases have in common: what do their first answers teach?

Each is tried in a transaction that is rolled back, and that is read-only unless the operation says that it writes: a
statement that would write is refused there by the server itself, before anything is measured.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Any

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Outcome, OwnOperation, Value
from devperf_pipeline.services.database.workload import Result
from devperf_pipeline.services.operation import Connection, Driver, FirstAnswer, Operation, Wire
from devperf_pipeline.services.own_operations import Choices, choices, drawn

DEADLINE_S = 10.0
"""What takes longer is not measured: a call of a round ends then, too."""

LEARNING_ANSWERS = 25
LEARNING_S = 1.0
"""So many answers are looked at before anything is measured, or fewer, when these seconds are over."""

LARGEST_ANSWER_BYTES = 64 * 2**20
LONGEST_PLAN = 1_000
SHOWN_ROWS = 10
LONGEST_CELL = 40

NO_END = 2**63

Row = Sequence[str | None]


class Trial(ABC):
    """A statement on a connection of its own, in a transaction. What raises, raises a `ServiceError` that says why."""

    @abstractmethod
    def rows_of(self, query: str) -> Sequence[tuple[Value, ...]]:
        """The rows of a query of parameters, `MOST_VALUES` at most."""

    @abstractmethod
    def explain(self, arguments: Sequence[Value]) -> str | None:
        """How the server will answer; None where it does not explain such a statement, and may be asked nevertheless."""

    @abstractmethod
    def answer(self, arguments: Sequence[Value]) -> tuple[Sequence[str], Generator[Row, None, None], int]:
        """The names of the columns (none: it returns no rows), the rows as they come, how many rows were changed; close the rows."""

    @abstractmethod
    def count(self, arguments: Sequence[Value]) -> int:
        """How many rows are returned."""


Trying = Callable[[OwnOperation, bool], AbstractContextManager[Trial]]
"""Begins a trial of an operation, which may write or not, and rolls it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """
    One's own statement, and what its first answers taught.

    A right answer has `columns` columns and from `least` to `most` rows, or changes so many where it has no columns.
    `took_s` is the quickest of the first ones.
    """

    own: OwnOperation
    among: Choices
    columns: int
    least: int
    most: int
    plan: str | None
    took_s: float = 0.0

    @property
    def text(self) -> str:
        """The statement."""
        return self.own.asked["sql"]

    @property
    def contains(self) -> str:
        """What stands in every right answer; nothing if it matters not."""
        return self.own.expected.contains

    def calls(self, user: int, size: int) -> Sequence[tuple[Value, ...]]:
        """The arguments of a user's calls."""
        return drawn(self.own, self.among, user, size)

    def operation(
        self,
        *,
        wire: Callable[[Any, int, int], Wire],
        driver: Callable[[Any, int, int], Driver],
        connect: Callable[[], Connection],
    ) -> Operation:
        """The operation, given how one database prepares a user's calls, and how it is entered."""
        own = self.own
        return Operation(
            name=own.name,
            title=own.title,
            users=tuple(number for number in own.users if number != 1),
            wire=wire,
            driver=driver,
            connect=connect,
            plan=self.plan,
            took_s=self.took_s,
        )

    def right(self, count: int) -> bool:
        """Whether an answer of so many rows is right."""
        return self.least <= count <= self.most

    def wrong(self, count: int, contains: bool) -> str | None:
        """What is wrong with an answer of so many rows, or None."""
        if not self.right(count):
            return f"{count} rows instead of {self._bounds}"
        return None if contains else f"{self.contains!r} does not stand in the answer"

    def check(self, result: Result) -> int:
        """The outcome of a call through a driver."""
        return Outcome.OK if self.right(result[0]) else Outcome.WRONG

    def verify(self, result: Result) -> str | None:
        """What is wrong with what a driver returned, or None."""
        count, rows = result
        if wrong := next((row for row in rows if len(row) != self.columns), None):
            return f"a row of {len(wrong)} columns instead of {self.columns}"
        return self.wrong(count, any(self.contains in str(row) for row in rows) or not self.contains)

    @property
    def _bounds(self) -> str:
        if self.least == self.most:
            return str(self.least)
        return f"{self.least} or more" if self.most >= NO_END else f"{self.least} to {self.most}"


def learn(own: OwnOperation, trying: Trying) -> Learnt:
    """
    Try a statement, with the values of the calls that will be made first.

    Raises:
        ServiceError: the server refuses it or a query of its parameters, or its answer is not as expected.

    """
    among = _choices(own, trying)
    given = drawn(own, among, 0, LEARNING_ANSWERS)
    began = time.monotonic()
    with trying(own, own.writes) as trial:
        plan = trial.explain(given[0])
        columns, first, contains = _first(own, trial, given[0])
        counts, took_ns = [first.rows or 0], [first.took_ns]
        for arguments in given[1:] if columns and not own.writes else ():
            if time.monotonic() - began > LEARNING_S:
                break
            began_ns = time.perf_counter_ns()
            counts.append(trial.count(arguments))
            took_ns.append(time.perf_counter_ns() - began_ns)
    least, most = own.expected.rows or (min(1, *counts, 1), NO_END)
    learnt = Learnt(
        own=own,
        among=among,
        columns=columns,
        least=least,
        most=most,
        plan=plan,
        took_s=min(took_ns) / 1e9,
    )
    for count in counts:
        if problem := learnt.wrong(count, contains):
            raise WrongAnswer(f"expected an answer as 'expect' says, found {problem}")
    return learnt


def first_answer(own: OwnOperation, trying: Trying) -> FirstAnswer:
    """
    What a statement is answered once, for people.

    Raises:
        ServiceError: as `learn`.

    """
    [arguments] = drawn(own, _choices(own, trying), 0, 1)
    with trying(own, own.writes) as trial:
        return _first(own, trial, arguments)[1]


def _choices(own: OwnOperation, trying: Trying) -> Choices:
    if not any(values.query for values in own.values.values()):
        return choices(own)
    with trying(own, False) as trial:
        return choices(own, trial.rows_of)


def _first(own: OwnOperation, trial: Trial, arguments: Sequence[Value]) -> tuple[int, FirstAnswer, bool]:
    """How many columns the first answer has, what it is, and whether it contains what it should; bounded in memory."""
    began_ns = time.perf_counter_ns()
    header, rows, changed = trial.answer(arguments)
    if not header:
        if not own.writes:
            raise no_rows()
        took_ns = time.perf_counter_ns() - began_ns
        return 0, FirstAnswer(lines=(), rows=changed, took_ns=took_ns), not own.expected.contains
    shown: list[Row] = [header]
    count, size_bytes, contains = 0, 0, not own.expected.contains
    with closing(rows):
        for row in rows:
            count += 1
            size_bytes += sum(len(cell or "") for cell in row)
            if size_bytes > LARGEST_ANSWER_BYTES:
                raise WrongAnswer(
                    f"expected an answer of at most {LARGEST_ANSWER_BYTES // 2**20} MiB, found more. "
                    "Select fewer rows."
                )
            contains = contains or any(own.expected.contains in (cell or "") for cell in row)
            if count <= SHOWN_ROWS:
                shown.append(row)
    took_ns = time.perf_counter_ns() - began_ns
    lines = [" | ".join(plain("NULL" if cell is None else cell) for cell in row) for row in shown]
    return len(header), FirstAnswer(lines=lines, rows=count, took_ns=took_ns), contains


def no_rows() -> WrongAnswer:
    """What is said of a statement that returns no rows and may change nothing."""
    return WrongAnswer(
        "expected a statement that returns rows, found one that returns none. "
        "Write writes = true where it is meant to change something."
    )


def plain(text: str) -> str:
    """A value of somebody's table, short, and without anything that a terminal would obey."""
    short = text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
    return "".join(letter if letter.isprintable() else " " for letter in short)
