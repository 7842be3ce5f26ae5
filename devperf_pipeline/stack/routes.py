"""Which routes of an API does a stack file name, and may they be asked?"""

import re
from collections.abc import Mapping
from typing import Any

from devperf_pipeline.stack.source import Source, shown

MOST_ROUTES = 20
LONGEST_ROUTE = 200
EXAMPLE = 'Write routes = ["/orders/7", "/health"].'


def routes_of(source: Source, keys: tuple[str, ...], found: Mapping[str, Any]) -> tuple[str, ...]:
    """
    The paths that the table of an API names.

    Raises:
        ConfigurationError: they are not as they must be.

    """
    if "routes" not in found:
        source.complain(keys, "the key 'routes' (a list of paths)", "none", EXAMPLE)
    routes: list[Any] = source.take(keys, found, "routes", list)
    at = (*keys, "routes")
    if not routes:
        source.complain(at, "at least one path", "an empty list", EXAMPLE)
    if len(routes) > MOST_ROUTES:
        source.complain(at, f"at most {MOST_ROUTES} paths", f"{len(routes)}", "Name those that matter most.")
    for place, route in enumerate(routes):
        _check(source, at, route)
        if route in routes[:place]:
            source.complain(at, "each path once", f"{shown(route)} twice")
    return tuple(routes)


def _check(source: Source, at: tuple[str, ...], route: Any) -> None:
    if not isinstance(route, str):
        source.complain(at, 'paths in quotes, such as "/orders/7"', shown(route))
    method = re.match(r"([A-Za-z]{3,10})\s+/", route)
    if method and method[1].upper() != "GET":
        source.complain(
            at,
            "a path alone, which is asked with GET",
            shown(route),
            "Nothing of somebody else's API may be changed: only what can be asked with GET is measured.",
        )
    if method:
        source.complain(at, "a path alone", shown(route), "Leave out GET: every path is asked with it.")
    if re.match(r"[a-z]+://", route, re.IGNORECASE):
        source.complain(
            at, "a path alone", shown(route), "Leave out scheme and host: the key 'address' says where it is."
        )
    if not route.startswith("/"):
        source.complain(at, "a path that begins with /", shown(route))
    if not re.fullmatch(r"[!-~]+", route) or "#" in route:
        source.complain(
            at,
            "a path of printable ASCII without spaces and #",
            shown(route),
            "Write other characters as %20 (space), %23 (#), %C3%A9 (é).",
        )
    if len(route) > LONGEST_ROUTE:
        source.complain(at, f"a path of at most {LONGEST_ROUTE} characters", f"{len(route)} characters")
