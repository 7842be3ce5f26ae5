"""
How does a session come to the operations that a stack file describes: which values, and what if one cannot be asked?

Each is asked before anything is measured: the first answers teach what is right. One that the service refuses costs
itself alone, and stands among the session's `unmeasurable` with the file, the line and what the service said.
"""

import random
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from devperf_pipeline.errors import ServiceError, WrongAnswer
from devperf_pipeline.model import OwnOperation, Service, Value
from devperf_pipeline.services.operation import Operation, Session
from devperf_pipeline.stack.own_operations import PLACEHOLDER

LONGEST_REASON = 400


def learnt(session: Session, service: Service) -> Sequence[Operation]:
    """The operations of one's own that can be measured; the session says of the others why not."""
    ours = {operation.title for operation in session.operations()} if service.own_operations else set[str]()
    found: list[Operation] = []
    for own in service.own_operations:
        try:
            _check_title(own, ours)
            found.append(session.own_operation(own))
        except (ServiceError, OSError, *session.exceptions) as error:
            session.unmeasurable[own.title] = refusal(own, error)
    return found


def _check_title(own: OwnOperation, ours: Collection[str]) -> None:
    """In reports a title is the name of a row; raises a `WrongAnswer` where it is one of ours."""
    if own.title in ours:
        raise WrongAnswer(
            f"expected a title that no other row of the service has, found {own.title!r}. Change it."
        )


def refusal(own: OwnOperation, error: Exception) -> str:
    """Where the operation stands, and what was said of it, on one line."""
    said = " ".join(str(error).split()).removesuffix(".")
    return f"{own.where}: {said[:LONGEST_REASON]}{'…' if len(said) > LONGEST_REASON else ''}"


Choices = Sequence[Sequence[Any]]
"""For each placeholder all that it may hold; rows of several columns (tuples) fill as many placeholders."""


def choices(own: OwnOperation, ask: Callable[[str], Sequence[tuple[Value, ...]]] | None = None) -> Choices:
    """
    What the placeholders of an operation may hold. `ask` returns the rows of a query, where the kind has queries.

    Raises:
        WrongAnswer: a query returns nothing.

    """
    found: list[Sequence[Any]] = []
    for values in own.values.values():
        rows = ask(values.query) if ask and values.query else values.listed
        if not rows:
            raise WrongAnswer("expected a query of parameters to return rows, found none: " + values.query)
        found.append(rows)
    return found


def drawn(own: OwnOperation, among: Choices, user: int, size: int) -> Sequence[tuple[Value, ...]]:
    """
    The values of a user's calls: spread over all that may be, and the same in every baseline.

    The seed is the operation's name, which is stored with each row. Without placeholders all calls are alike: one.
    """
    source = random.Random(f"{own.name}/{user}")  # noqa: S311 - values that can be drawn again, no secret
    return [tuple(_row(source, among)) for _ in range(size if among else 1)]


def _row(source: random.Random, among: Choices) -> Iterator[Value]:
    for each in among:
        value = each[source.randrange(len(each))]
        if isinstance(value, tuple):
            yield from cast("tuple[Value, ...]", value)
        else:
            yield value


def filled(asked: Any, values: Mapping[str, Value]) -> Any:
    """
    A question with these values in the place of its placeholders.

    Text that is one placeholder and nothing else becomes the value itself, a number where it is one.
    """
    if isinstance(asked, str):
        whole = PLACEHOLDER.fullmatch(asked)
        if whole and whole[3]:
            return values[whole[3]]
        return PLACEHOLDER.sub(lambda match: _shown(match, values), asked)
    if isinstance(asked, Mapping):
        table = cast("Mapping[Any, Any]", asked)
        return {filled(key, values): filled(each, values) for key, each in table.items()}
    if isinstance(asked, Sequence):
        return [filled(each, values) for each in cast("Sequence[Any]", asked)]
    return asked


def _shown(match: re.Match[str], values: Mapping[str, Value]) -> str:
    if match[2]:
        return f"{{{match[2]}}}"
    value = values[match[1] or match[3]]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{{{text}}}" if match[1] else text
