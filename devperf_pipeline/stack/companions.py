"""What does a stack file say of processes and containers whose use is read, though nothing is asked of them?"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from devperf_pipeline.model import Companion
from devperf_pipeline.stack.source import Source, nearest, shown

KEYS = ("process", "container", "category")

CATEGORIES = (
    "databases",
    "caching",
    "messaging",
    "secrets management",
    "reference apis",
    "observability",
    "git server",
    "other",
)
"""The groups of the published table, and one for all else."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}(/[1-9][0-9]?)?")

RESERVED = ("host", "others", "engine", "devperf", "total")
"""Rows that every table of resources has."""


def companions(source: Source, tables: Mapping[str, Any], services: Collection[str]) -> tuple[Companion, ...]:
    """
    The tables [footprint.<name>]. One that is called as a service, or as a node of it (`"redis_cluster/2"`), says
    where that one's use is read and needs no category.

    Raises:
        ConfigurationError: something in them is not as it must be.

    """
    return tuple(_companion(source, name, table, services) for name, table in tables.items())


def _companion(source: Source, name: str, table: Any, services: Collection[str]) -> Companion:
    keys = ("footprint", name)
    if not NAME.fullmatch(name) or name in RESERVED:
        source.complain(
            keys,
            f"a name of at most 40 letters, digits, - and _, none of {', '.join(RESERVED)}",
            shown(name),
        )
    if not isinstance(table, dict):
        source.complain(keys, "a table", shown(table), f"Write [footprint.{name}].")
    found: dict[str, Any] = table
    source.check_keys(keys, found, KEYS)
    ways = [key for key in KEYS[:2] if key in found]
    if len(ways) != 1:
        source.complain(keys, "either process or container", "both" if ways else "neither")
    where: str = source.take(keys, found, ways[0], str)
    if not where or "\n" in where:
        source.complain((*keys, ways[0]), f"the name of a {ways[0]}", shown(where))
    is_service = name.partition("/")[0] in services
    category: str = source.take(keys, found, "category", str, "other" if is_service else None)
    if category not in CATEGORIES:
        source.complain(
            (*keys, "category"),
            f"one of {', '.join(CATEGORIES)}",
            shown(category),
            nearest(category, CATEGORIES),
        )
    return Companion(name=name, category=category, **{ways[0]: where})
