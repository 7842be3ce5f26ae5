"""
What does an answer of somebody else's API give as its reason, and does its body tell of a failure?

What is repeated is short, on one line, without anything that a terminal would obey, and without what looks like a secret.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from devperf_pipeline.services.http.protocol import as_object, json_object

SHOWN = 120
LONGEST = 200

WORDS = ("error", "message", "detail", "reason", "msg", "error_description")
"""Under which names APIs give a reason, the first word first."""

NESTED = ("details", "errors")
"""Under which names they give more of it."""

UNWELL = ("error", "fail", "failed", "down", "degraded", "unhealthy")
"""What a `status` says where something is not well."""

SECRETS = re.compile(
    r"(?P<kept>://[^\s/@:]*:(?=[^\s/@]*@)|bearer\s+|(?:password|passwd|pwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?)"
    r"[^\s@\"',;&}]+",
    re.IGNORECASE,
)
"""A password in a URL, and what stands behind a word that announces a secret."""


def plain(value: Any, longest: int = SHOWN) -> str:
    """What somebody else wrote, short, and without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value)[:longest])


def reason_of(body: bytes) -> str:
    """The reason that a body gives, behind a colon; empty where it gives none."""
    return reason_in(json_object(body) or {})


def reason_in(found: Mapping[str, Any]) -> str:
    """The same of a JSON object."""
    said = [line for line in map(_one_line, _reasons(found)) if line]
    # "Cache unavailable", then "MOVED 12539 …": what a later one says again is no second reason.
    told = [line for place, line in enumerate(said) if not any(line in other for other in said[:place])]
    return f": {': '.join(told)[: 2 * LONGEST]}" if told else ""


def unwell_in(found: Mapping[str, Any]) -> str | None:
    """Where a health answer says, at any depth, that something is not well: those places that give a reason first."""
    places: list[tuple[bool, str]] = []
    for path, each in _objects("", found):
        where = f"{path}." if path else ""
        status = each.get("status")
        if isinstance(status, str) and status.lower() in UNWELL:
            reason = reason_in(each)
            places.append((not reason, f"{where}status: {plain(status)}{reason}"))
    sealed = sealed_in(found)
    first = sorted([*places, *([(False, sealed)] if sealed else [])], key=lambda place: place[0])
    told = [said for lacks_reason, said in first if not lacks_reason] or [said for _, said in first[:1]]
    return ", ".join(told)[: 2 * LONGEST] or None


def sealed_in(found: Mapping[str, Any]) -> str | None:
    """Where a JSON object says, at any depth, that a Vault is sealed: what needs it cannot work."""
    sealed = (path for path, each in _objects("", found) if each.get("sealed") is True)
    return next((f"{path}.sealed: true".lstrip(".") for path in sealed), None)


def _reasons(found: object, depth: int = 0, *, whole: bool = False) -> Iterator[str]:
    """Every reason in a decoded body; of an object that gives none and is `whole` one, all of it."""
    match found:
        case str():
            yield found
        case dict() if depth < 4:
            each = as_object(found)
            told = [said for name in WORDS for said in _reasons(each.get(name), depth + 1, whole=True)]
            told += [said for name in NESTED for said in _reasons(each.get(name), depth + 1)]
            yield from told or ([json.dumps(each)] if each and whole else [])
        case list() if depth < 4:
            for each in cast("list[Any]", found)[:3]:
                yield from _reasons(each, depth + 1, whole=whole)
        case int() | float() if found and not isinstance(found, bool):
            yield json.dumps(found)
        case _:
            return


def _one_line(text: str) -> str:
    masked = SECRETS.sub(r"\g<kept>********", text[: 10 * LONGEST])
    line = " ".join(plain(masked, 10 * LONGEST).split())
    # What was tried stands first, and what came in its way last.
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 + 3 :]}"


def _objects(path: str, value: Any, depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every JSON object in a decoded body with its place, the outermost first."""
    if depth > 6:
        return
    if isinstance(value, list):
        for each in cast("list[Any]", value)[:20]:
            yield from _objects(f"{path}[]", each, depth + 1)
    if isinstance(value, dict):
        found = as_object(value)
        yield path, found
        for name, each in found.items():
            yield from _objects(f"{path}.{plain(name)}".lstrip("."), each, depth + 1)
