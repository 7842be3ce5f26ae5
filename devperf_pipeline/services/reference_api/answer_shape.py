"""What form has an answer of an API: which fields, of which types, and how is what it asked?"""

import json
from collections.abc import Iterator
from typing import Any

from devperf_pipeline.model import RouteAnswer
from devperf_pipeline.services.http.protocol import Answer, as_object

MOST_FIELDS = 200
LONGEST_NAME = 80

WHOLE = "answer"
"""What the answer itself is called where it is no JSON object with fields of its own."""


def told(title: str, answer: Answer, *, states: bool, family: str = "") -> RouteAnswer:
    """
    Status and form of an answer, without anything of what it says but, where `states` are asked for, how a dependency
    is.
    """
    try:
        decoded = json.loads(answer.body)
    except (ValueError, RecursionError):
        return RouteAnswer(route=title, status=answer.status, shape={WHOLE: "no JSON"}, family=family)
    fields = _fields(decoded, "", states=states)
    shape = dict(field for field, _ in zip(fields, range(MOST_FIELDS), strict=False))
    return RouteAnswer(route=title, status=answer.status, shape=shape, family=family)


def _fields(value: Any, path: str, *, states: bool) -> Iterator[tuple[str, str]]:
    """The path of each field and its type: "dependencies.vault.latency_ms" is a "number"."""
    kind = _type(value)
    if states and path.rpartition(".")[2] == "status" and isinstance(value, str):
        kind = f"{kind}: {value[:LONGEST_NAME]}"
    if path or not isinstance(value, dict):
        yield path or WHOLE, kind
    if isinstance(value, dict):
        fields = as_object(value)
        for name in sorted(fields):
            yield from _fields(fields[name], f"{path}.{name[:LONGEST_NAME]}".lstrip("."), states=states)
    if isinstance(value, list) and value:
        yield from _fields(value[0], f"{path}[]", states=states)


def _type(value: Any) -> str:
    """As JSON calls it; it has but one type of numbers."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
