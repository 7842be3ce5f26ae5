"""Which API is the fastest, like for like?"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import comparison_charts
from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import drawn

if TYPE_CHECKING:
    from devperf_pipeline.analyse.judgements import Ranking, Reading
    from devperf_pipeline.report.loaded import Report

HEADLINE = "GET /health/all"
"""The route that asks all dependencies: a report begins with it, where APIs have it."""

_SPAN = 3
"""Of more numbers of users only the first and the last are named."""

_NUMBER = re.compile(r"\d[\d,.]*")


def fastest_api(report: "Report") -> Mapping[str, Any]:
    """Who is first on the headline route at one user, or cannot be told from the first; then under load and elsewhere."""
    one = headline(report.rankings)
    if one is None or len(one.places) < 2:
        return {"one": None}
    others = [other for other in report.rankings if other is not one and len(other.places) > 1]
    firsts = Counter(other.places[0].service for other in others)
    most = max(firsts.values(), default=0)
    leaders = [service for service, count in firsts.items() if count == most]
    return {
        "one": one,
        "tied": _tied(one),
        "bounded": _bounded(one),
        "others": len(others),
        "most": most,
        "leaders": leaders,
        "sure": sum(_apart(other) for other in others if other.places[0].service in leaders),
        **_under_load(report, one),
    }


def ranking(report: "Report") -> Mapping[str, Any]:
    """The places on every route, that of the headline first, and who is left out and why."""
    first = headline(report.rankings)
    routes = sorted((one for one in report.rankings if len(one.places) > 1), key=lambda one: one is not first)
    svg = comparison_charts.ranking_bars(first.places, report.colours) if first else None
    return {
        "chart": drawn(f"p95 of {first.route}, each implementation", "ranking", svg) if first else None,
        "most": max((len(one.places) for one in routes), default=0),
        "routes": [
            (one.route, show.unit_for(place.p95_ns for place in one.places), _places(one)) for one in routes
        ],
        "left_out": _left_out(report.rankings),
    }


def compared(report: "Report") -> Mapping[str, Any]:
    """The p95 of the headline route with relative performance, and who is not ranked."""
    one = headline(report.rankings)
    return {"one": one, "places": _places(one) if one else []}


def headline(rankings: "Sequence[Ranking]") -> "Ranking | None":
    """
    The ranking that a report begins with: of the aggregate of all health checks or, where that compares nobody, of the
    first route on which two can be compared.
    """
    compared_on = [one for one in rankings if len(one.places) > 1]
    of_all = [one for one in rankings if one.route == HEADLINE]
    return next((one for one in (*of_all, *compared_on) if one in compared_on), next(iter(of_all), None))


def _under_load(report: "Report", one: "Ranking") -> Mapping[str, Any]:
    """
    Who of the ranked has the least p95 in the load tests of that route, by number of users; `last` are the tests with
    most users, the least p95 first.
    """
    ranked = {place.service for place in one.places}
    points: dict[int, list[Mapping[str, Any]]] = {}
    for test in report.load_tests:
        is_route = report.operation_of(test["service"], test["operation"]) == one.route
        counts = test["valid"] and test["users"] > 1 and test["p95_ns"]
        if counts and is_route and test["service"] in ranked:
            points.setdefault(test["users"], []).append(test)
    leads: dict[str, list[int]] = {}
    last: list[Mapping[str, Any]] = []
    for users, here in sorted(points.items()):
        if len(here) > 1:
            last = sorted(here, key=lambda test: test["p95_ns"])
            leads.setdefault(last[0]["service"], []).append(users)
    spans = {service: _span(users, sorted(points)) for service, users in leads.items()}
    return {"leads": spans, "last": last, "several": len(points) > 1}


def _span(users: Sequence[int], loads: Sequence[int]) -> str:
    """Numbers of users in words: as a range only where no load of `loads` between them is another's."""
    begin = loads.index(users[0])
    if list(users) == list(loads[begin : begin + len(users)]) and len(users) > _SPAN:
        return f"{users[0]} to {users[-1]}"
    return show.enumeration([str(number) for number in users])


def _places(one: "Ranking") -> Sequence[Mapping[str, Any]]:
    """Each reading with how many times the first one's p95 it takes, None for the first itself."""
    first = one.places[0] if one.places else None
    return [
        {
            "reading": place,
            "times": None if place is first or not first else _times(place.p95_ns, first.p95_ns),
            "tied": first is not None and place is not first and _overlap(first, place),
        }
        for place in one.places
    ]


def _times(time_ns: int | None, best_ns: int | None) -> str:
    return show.times(time_ns / best_ns if time_ns and best_ns else None)


def _overlap(first: "Reading", other: "Reading") -> bool:
    """Whether the bounds of both have something in common; the first is the one of the lesser p95."""
    return (
        first.p95_high_ns is not None
        and other.p95_low_ns is not None
        and other.p95_low_ns <= first.p95_high_ns
    )


def _tied(one: "Ranking") -> "Sequence[Reading]":
    """The first and, down to the last whose bounds reach into the first one's, all who come before that one."""
    first = one.places[0]
    reach = [number for number, place in enumerate(one.places) if number == 0 or _overlap(first, place)]
    return one.places[: reach[-1] + 1]


def _bounded(one: "Ranking") -> bool:
    """Whether the bounds of the first two are known."""
    first, second = one.places[:2]
    return first.p95_high_ns is not None and second.p95_low_ns is not None


def _apart(one: "Ranking") -> bool:
    """Whether the first is faster than everybody else by more than the bounds of both."""
    return _bounded(one) and len(_tied(one)) == 1


def _left_out(rankings: "Sequence[Ranking]") -> Sequence[Mapping[str, Any]]:
    """Who is left out on which routes, with the reason that stands first; with another number it is the same reason."""
    reasons: dict[tuple[str, str], dict[str, str]] = {}
    for one in rankings:
        for service, why in one.left_out.items():
            reasons.setdefault((service, _NUMBER.sub("#", why)), {})[one.route] = why
    return [
        {
            "service": service,
            "routes": list(routes),
            "why": next(iter(routes.values())),
            "alike": len(set(routes.values())) > 1,
        }
        for (service, _), routes in reasons.items()
    ]
