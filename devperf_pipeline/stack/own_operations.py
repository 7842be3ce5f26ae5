"""
What may a stack file have a service asked beside what every service of its kind is asked?

Each kind has a table with the words of its question. Text of it may hold placeholders, "{id}", whose values stand
under a key of that name; those of SQL are the server's own ($1, ?), with a list of `parameters`.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Annotated, Any, cast

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, model_validator

from devperf_pipeline.model import Expectation, OwnOperation, Value, Values
from devperf_pipeline.stack.source import Keys, Source, nearest, shown
from devperf_pipeline.stack.stack_file_schema import Table, Wrong, checked

MOST_OPERATIONS = 50
LONGEST_TITLE = 80
LONGEST_TEXT = 100_000
MOST_VALUES = 10_000
LONGEST_VALUE = 10_000
MOST_USERS = 200
MOST_USER_COUNTS = 5
LARGEST_WHOLE = 2**63
LARGEST_IN_RANGE = 10**18

LONGEST_NAME = 60
PLACEHOLDER = re.compile(r"\{\{\{(\w+)\}\}\}|\{\{(\w+)\}\}|\{([A-Za-z_]\w*)\}")
"""`{id}` stands for a value, `{{id}}` for these letters in braces, `{{{id}}}` for a value in braces."""

VALUES = "a list of values, { range = [1, 5000] }"
QUERIED = "a list of values, { range = [1, 5000] } or { sql = … } with a query in quotes"


def _title(title: str) -> str:
    if not title.strip() or not title.isprintable():
        raise Wrong("a title on one line, in printable characters", shown(title))
    if len(title) > LONGEST_TITLE:
        raise Wrong(f"a title of at most {LONGEST_TITLE} characters", f"{len(title)} characters")
    return " ".join(title.split())


def _text(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise Wrong("text without NUL characters", shown(text))
    if len(text) > LONGEST_TEXT:
        raise Wrong(f"text of at most {LONGEST_TEXT:,} characters", f"{len(text):,} characters")
    return text


def _statement(text: str) -> str:
    """One statement; whether it is one says the server."""
    return _text(text.strip().rstrip(";").rstrip())


def _users(users: list[int]) -> list[int]:
    if not 1 <= len(users) <= MOST_USER_COUNTS or len(set(users)) != len(users):
        raise Wrong(f"1 to {MOST_USER_COUNTS} different numbers of users", shown(users))
    if wrong := [number for number in users if not 1 <= number <= MOST_USERS]:
        raise Wrong(f"numbers of users from 1 to {MOST_USERS}", str(wrong[0]))
    return users


def _rows(value: Any) -> tuple[int, int]:
    """How many rows must come, at least and at most."""
    pair = value if isinstance(value, list) else [value, value]
    whole = [each for each in cast("list[Any]", pair) if type(each) is int and each >= 0]
    if len(whole) != 2 or len(pair) != 2 or whole[0] > whole[1]:
        raise Wrong("a number of rows, or [the least, the most]", shown(value))
    return whole[0], whole[1]


def _value(value: Any) -> Value:
    if isinstance(value, datetime | date | time):
        return str(value)
    if not isinstance(value, str | int | float):
        raise Wrong("values that are text, numbers, dates, true or false", shown(value))
    if isinstance(value, int) and not -LARGEST_WHOLE <= value < LARGEST_WHOLE:
        raise Wrong("whole numbers of at most 64 bits", shown(value))
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        raise Wrong(f"values of at most {LONGEST_VALUE:,} characters", f"one of {len(value):,}")
    return value


def _range(bounds: Any) -> range:
    pair = [each for each in bounds if type(each) is int] if isinstance(bounds, list) else []
    if len(pair) != 2 or len(bounds) != 2 or pair[0] > pair[1] or max(map(abs, pair)) > LARGEST_IN_RANGE:
        raise Wrong("the first and the last whole number, as in { range = [1, 5000] }", shown(bounds))
    return range(pair[0], pair[1] + 1)


def _values(value: Any) -> Values:
    """What a placeholder may hold: one value, a list of them, or a range."""
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        if list(found) != ["range"]:
            raise Wrong(VALUES, shown(found))
        return Values(listed=_range(found["range"]))
    if not isinstance(value, list):
        return Values(listed=(_value(value),))
    listed = cast("list[Any]", value)
    if not 1 <= len(listed) <= MOST_VALUES:
        raise Wrong(f"1 to {MOST_VALUES:,} values", f"{len(listed):,}")
    return Values(listed=tuple(map(_value, listed)))


def _queried_values(value: Any) -> Values:
    """The same, or what a query returns."""
    if isinstance(value, dict) and list(cast("dict[str, Any]", value)) == ["sql"]:
        query = value["sql"]
        if not isinstance(query, str):
            raise Wrong('a query in quotes, as in { sql = "select id from customers" }', shown(query))
        return Values(query=_statement(query))
    try:
        return _values(value)
    except Wrong as wrong:
        raise Wrong(wrong.expected.replace(VALUES, QUERIED), wrong.found) from None


class ExpectedRows(Table):
    """`expect` of a statement."""

    rows: Annotated[tuple[int, int] | None, PlainValidator(_rows)] = None
    contains: Annotated[str, AfterValidator(_text)] = Field(default="", description="text in quotes")


class OwnOperationTable(Table):
    """One of [[services.<name>.operations]]: what the operations of every kind have in common."""

    title: Annotated[str, AfterValidator(_title)] = Field(description="text in quotes")
    users: Annotated[list[int], AfterValidator(_users)] = Field(
        default=[1], description="a list of numbers of users, such as [1, 10]"
    )
    writes: bool = Field(default=False, description="true or false")
    expect: ExpectedRows = Field(default=ExpectedRows(), description="a table: { rows = 20 }")

    def values(self) -> Mapping[str, Values]:
        """What each placeholder may hold."""
        return {}

    @classmethod
    def words(cls) -> Collection[str]:
        """The keys that say what is asked."""
        return cls.model_fields.keys() - OwnOperationTable.model_fields.keys()

    def asked(self) -> Mapping[str, Any]:
        """What is asked, in the words of the kind."""
        return self.model_dump(include=set(self.words()), exclude_unset=True)


class SqlOperation(OwnOperationTable):
    """A statement in the server's own words, with its own placeholders."""

    sql: Annotated[str, AfterValidator(_statement)] = Field(description="a statement in quotes")
    parameters: list[Annotated[Values, PlainValidator(_queried_values)]] = Field(
        default=[],
        description=f"a list with the values of each placeholder: {QUERIED}",
    )

    def values(self) -> Mapping[str, Values]:
        return {str(number): values for number, values in enumerate(self.parameters, 1)}

    @classmethod
    def words(cls) -> Collection[str]:
        return {"sql"}


class NamedOperation(OwnOperationTable):
    """An operation whose text holds named placeholders; a key of the same name holds the values of each."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def check_keys(cls, found: Any) -> Any:
        """Every further key is the name of a placeholder, and each of these has one."""
        if not isinstance(found, dict):
            return found
        table = cast("dict[str, Any]", found)
        named = set(placeholders([table.get(key) for key in cls.words()]))
        for key in table.keys() - cls.model_fields.keys() - named:
            valid = [*cls.model_fields, *named]
            raise Wrong(
                f"one of {', '.join(valid)}", repr(key), cls.refused.get(key) or nearest(key, valid), key=key
            )
        for name in sorted(named - table.keys()):
            raise Wrong(
                f"the key {name!r} with the values of {{{name}}} ({VALUES})",
                "none",
                f"Where these letters are meant, write {{{{{name}}}}}.",
            )
        if taken := named & cls.model_fields.keys():
            raise Wrong("placeholders of other names than the keys have", shown(min(taken)))
        return {key: value if key in cls.model_fields else _named(key, value) for key, value in table.items()}

    def values(self) -> Mapping[str, Values]:
        return dict(self.model_extra or {})


def _named(key: str, value: Any) -> Values:
    try:
        return _values(value)
    except Wrong as wrong:
        raise Wrong(wrong.expected, wrong.found, wrong.advice, key=key) from None


def placeholders(asked: Any) -> Iterator[str]:
    """The names of the placeholders in all text of a question."""
    if isinstance(asked, str):
        yield from (match[1] or match[3] for match in PLACEHOLDER.finditer(asked) if not match[2])
    elif isinstance(asked, Mapping):
        for each in cast("Mapping[Any, Any]", asked).items():
            yield from placeholders(each)
    elif isinstance(asked, Sequence):
        for each in cast("Sequence[Any]", asked):
            yield from placeholders(each)


class CommandOperation(NamedOperation):
    """A command of Redis, word by word."""

    command: Annotated[list[Annotated[str, AfterValidator(_text)]], Field(min_length=1)] = Field(
        description='a list of words in quotes, such as ["GET", "session:{id}"]'
    )


TABLES: Mapping[str, type[OwnOperationTable]] = {
    "postgresql": SqlOperation,
    "pgbouncer": SqlOperation,
    "mysql": SqlOperation,
    "redis": CommandOperation,
    "redis_cluster": CommandOperation,
}
"""By kind, what one of its operations looks like."""


def own_operations(source: Source, at: Keys, kind: str, found: Sequence[Any]) -> tuple[OwnOperation, ...]:
    """
    The operations under the key `operations` of a service, which is `at` these keys.

    Raises:
        ConfigurationError: something in one of them is not as it must be.

    """
    table = TABLES.get(kind)
    if found and table is None:
        expected = f"operations of a service of the kind {', '.join(TABLES)}"
        source.complain((*at, "operations"), expected, f"one of the kind {kind}")
    if len(found) > MOST_OPERATIONS:
        source.complain((*at, "operations"), f"at most {MOST_OPERATIONS} operations", str(len(found)))
    operations: dict[str, OwnOperation] = {}
    for number, each in enumerate(found, 1):
        assert table is not None
        keys = (*at, "operations", number)
        one = checked(source, table, each, keys)
        known = one.title.casefold()
        if known in operations:
            source.complain(
                (*keys, "title"),
                "titles that differ",
                f"{shown(one.title)} again ({operations[known].where})",
            )
        operations[known] = OwnOperation(
            name=_name(one),
            title=one.title,
            where=source.place(keys),
            asked=one.asked(),
            values=one.values(),
            users=tuple(one.users),
            writes=one.writes,
            expected=Expectation(**one.expect.model_dump()),
        )
    return tuple(operations.values())


def _name(one: OwnOperationTable) -> str:
    """
    "own-orders-of-a-customer-1a2b3c4d": the title for people, and a digest of what is asked, with which values.

    No operation of ours begins with "own-".
    """
    words = "-".join(re.findall(r"[a-z0-9]+", one.title.lower()))[:LONGEST_NAME].strip("-")
    values = {name: values.query or repr(values.listed) for name, values in one.values().items()}
    text = json.dumps([one.asked(), values, one.writes], sort_keys=True, default=str)
    return "-".join(filter(None, ("own", words, hashlib.sha256(text.encode()).hexdigest()[:8])))
