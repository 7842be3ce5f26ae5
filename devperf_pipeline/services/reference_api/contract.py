"""
Does an answer have the form that the reference APIs' contract asks for?

Read from `reference_apis/openapi.yaml`: which fields a route's answer must have, which it may have, and their types.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from devperf_pipeline.model import RouteAnswer
from devperf_pipeline.services.reference_api.answer_shape import WHOLE
from devperf_pipeline.stack.folders import Folders

JSON_NUMBERS = {"integer": "number"}
"""JSON has one type of numbers."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract in OpenAPI, as far as forms of answers go."""

    document: Mapping[str, Any]

    def wrong(self, answer: RouteAnswer) -> str | None:
        """What of an answer is not as the contract says, or None; also None where it says nothing of that route."""
        told = self._responses(answer.route)
        if told is None:
            return None
        if str(answer.status) not in told:
            return f"status {answer.status}, which is none of {', '.join(told)}"
        if WHOLE in answer.shape:
            return "no JSON object"
        described = self._resolved(told[str(answer.status)])
        schema = described.get("content", {}).get("application/json", {}).get("schema")
        return None if schema is None else self._differs(schema, "", answer.shape)

    def _responses(self, route: str) -> Mapping[str, Any] | None:
        method, _, path = route.partition(" ")
        paths: Mapping[str, Any] = self.document.get("paths", {})
        # A path that is written out is meant before one with a name in its place.
        for template in sorted(paths, key=lambda each: each.count("{")):
            if _matches(template, path):
                return paths[template].get(method.lower(), {}).get("responses")
        return None

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            found: Any = self.document
            for name in schema["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            schema = found
        return schema

    def _differs(self, schema: Mapping[str, Any], path: str, shape: Mapping[str, str]) -> str | None:
        schema = self._resolved(schema)
        known: Mapping[str, Any] = schema.get("properties", {})
        here = {name for name in _children(path, shape) if not name.endswith("[]")}
        missing = [f"{path}.{name}".lstrip(".") for name in schema.get("required", ()) if name not in here]
        more = [f"{path}.{name}".lstrip(".") for name in sorted(here - known.keys())]
        foreign = more if schema.get("additionalProperties") is False else []
        if missing or foreign:
            lacks = f"no field {', '.join(missing)}" if missing else ""
            has = f"a field {', '.join(foreign)}, which the contract does not have" if foreign else ""
            return f"{lacks}{' but ' if lacks and has else ''}{has}"
        for name in sorted(here & known.keys()):
            at = f"{path}.{name}".lstrip(".")
            wanted = _types(self._resolved(known[name]))
            found = shape[at].partition(":")[0]
            if wanted and found not in wanted:
                return f"{at} as {found}, where the contract has {' or '.join(sorted(wanted))}"
            problem = self._differs(known[name], at, shape)
            if problem is not None:
                return problem
        return None


@cache
def reference_contract() -> Contract | None:
    """The contract of the reference APIs."""
    return load(Folders.find().reference_apis / "openapi.yaml")


def load(path: Path) -> Contract | None:
    """The contract in that file, or None where there is no such file."""
    try:
        return Contract(yaml.safe_load(path.read_text("utf-8")))
    except FileNotFoundError:
        return None


def _matches(template: str, path: str) -> bool:
    wanted, found = template.split("/"), path.split("/")
    return len(wanted) == len(found) and all(
        one == other or one.startswith("{") for one, other in zip(wanted, found, strict=True)
    )


def _children(path: str, shape: Mapping[str, str]) -> set[str]:
    """The names of the fields right below a path."""
    begin = f"{path}." if path else ""
    names = (each.removeprefix(begin) for each in shape if each.startswith(begin))
    return {name for name in names if name and "." not in name and "[" not in name}


def _types(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a field may have; empty where any will do."""
    told = schema.get("type")
    if told is None:
        examples = [schema["const"]] if "const" in schema else list(schema.get("enum", ()))
        return {"boolean" if isinstance(each, bool) else "string" for each in examples}
    return {JSON_NUMBERS.get(each, each) for each in ([told] if isinstance(told, str) else told)}
