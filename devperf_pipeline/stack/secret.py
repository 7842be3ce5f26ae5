"""
Which secrets does a run use, and in which spellings could each of them show?

Nothing that is sought is ever shown: a secret has a name, and only the name is told.
"""

import base64
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from devperf_pipeline.model import Service, Stack

SHORTEST = 6
"""Shorter secrets are not sought: letters that few stand somewhere by chance."""

ORDINARY = (
    "devperf_pipeline",
    "password",
    "secret",
    "token",
    "username",
    "database",
    "credentials",
    "localhost",
    "application/json",
)
"""Words that we write ourselves: a password that is part of one is no secret that could be found."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret under the name that may be told, such as "the password of redis"."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of a run that can be sought, and of each other one why it cannot."""

    sought: tuple[Secret, ...]
    unsought: Mapping[str, str]


def secrets_of(stack: Stack, others: Mapping[str, str]) -> Secrets:
    """Every secret that a stack is entered with, and `others`: names that may be told, and the secrets themselves."""
    held = {
        f"the password of {service.name}": service.credentials.password
        for service in stack.services
        if service.credentials is not None and service.credentials.password
    }
    for service in stack.services:
        held |= header_secrets(service)
    held |= {**stack.entered_with, **others}
    public = _public(stack)
    unsought = {name: why for name, value in held.items() if (why := _unfindable(value, public))}
    return Secrets(
        tuple(Secret(name, value) for name, value in held.items() if name not in unsought), unsought
    )


def header_secrets(service: Service) -> dict[str, str]:
    """What the headers of requests to a service carry, under names that may be told."""
    held = {f"the header {name} of {service.name}": one.value for name, one in service.headers.items()}
    # Of "Bearer abc", written as one text, abc is sought, too.
    words = {f"the end of {what}": value.rpartition(" ")[2] for what, value in held.items() if " " in value}
    return {what: value for what, value in (held | words).items() if value}


def bare(data: bytes) -> bytes:
    """Text without its backslashes, in which secrets are sought: however often it was escaped, it reads the same."""
    return data.replace(b"\\", b"")


def spellings(value: str) -> frozenset[bytes]:
    """What a secret looks like, `bare`: as it is, in JSON, Python, HTML and URLs, and inside any base64."""
    raw = value.encode("utf-8", "surrogatepass")
    texts = {
        json.dumps(value)[1:-1],
        repr(value)[1:-1],
        repr(raw)[2:-1],
        html.escape(value),
        html.escape(value, quote=False),
        value.replace("'", "''"),
    }
    urls = {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    urls |= {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), url) for url in urls}
    plain = {bare(text.encode("utf-8", "surrogatepass")) for text in texts | urls} | {bare(raw)}
    return frozenset(text for text in plain | _inside_base64(raw) if len(text) >= SHORTEST)


def _inside_base64(raw: bytes) -> set[bytes]:
    """The letters that a secret always has in base64, at each of the three places it can have in a longer text."""
    found: set[bytes] = set()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw)
        # A letter is six bits: those that share bits with what is before or behind are not always the same.
        found.add(text[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6])
    return found | {text.translate(bytes.maketrans(b"+/", b"-_")) for text in found}


def _public(stack: Stack) -> tuple[str, ...]:
    """Words that stand in every table and report of this stack."""
    words = [stack.name, *ORDINARY]
    for service in stack.services:
        words += [service.name, service.kind, service.database or ""]
        words += [service.credentials.username if service.credentials else "", *service.settings]
    return tuple(words)


def _unfindable(value: str, public: tuple[str, ...]) -> str | None:
    if len(value) < SHORTEST:
        return f"not sought: it has fewer than {SHORTEST} characters"
    if any(value in word for word in public):
        return "not sought: it is an ordinary word of this stack, which stands in its tables anyhow"
    return None
