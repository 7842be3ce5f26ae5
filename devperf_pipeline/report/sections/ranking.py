"""What does a report say of which API is the fastest, like for like?"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Block, Chart, Lines, Section, Table, columns

if TYPE_CHECKING:
    from devperf_pipeline.analyse.ranking import Ranking, Reading
    from devperf_pipeline.report.model import Report

HEADLINE = "GET /health/all"
"""The route that asks all dependencies: a report begins with it, where APIs have it."""

_SPAN = 3
"""Of more numbers of users only the first and the last are named."""

_NUMBER = re.compile(r"\d[\d,.]*")

ABOUT = (
    "Only implementations that gave the same answer and did the same work are ranked, by p95 at one user of this "
    "baseline; the others are named with the reason. In brackets: how many times the p95 of the first. ≈ stands before "
    "whoever cannot be told from the first, because their bounds overlap."
)


def headline(rankings: "Sequence[Ranking]") -> "Ranking | None":
    """
    The ranking that a report begins with: of the aggregate of all health checks or, where that compares nobody, of the
    first route on which two can be compared.
    """
    compared_on = [one for one in rankings if len(one.places) > 1]
    of_all = [one for one in rankings if one.route == HEADLINE]
    return next((one for one in (*of_all, *compared_on) if one in compared_on), next(iter(of_all), None))


def ranked(view: "Report", rankings: "Sequence[Ranking]", chart: Chart | None) -> Section | None:
    """The places on every route, that of the headline first, and who is left out; None where nobody ran."""
    routes = [one for one in rankings if len(one.places) > 1]
    left_out = _left_out(view, rankings)
    if not routes and not left_out:
        return None
    routes.sort(key=lambda one: one is not headline(rankings))
    blocks: list[Block] = [" ".join([ABOUT, *_behind(view)])]
    if chart:
        blocks.append(chart)
    if routes:
        blocks.append(_places(view, routes))
    return Section("Ranking of the APIs", [*blocks, *left_out])


def compared(view: "Report", rankings: "Sequence[Ranking]") -> Section | None:
    """The p95 of the route that a report begins with, with relative performance; None where nobody answered it."""
    one = headline(rankings)
    if one is None or not one.places:
        return None
    best = one.places[0].p95_ns
    head, rule = columns("implementation", "p95", "bounds", "p50", "relative", "n")
    rows = [
        [
            show.cell(view.title_of(place.service)),
            show.duration(place.p95_ns),
            f"{show.duration(place.p95_low_ns)} to {show.duration(place.p95_high_ns)}",
            show.duration(place.p50_ns),
            "first" if place is one.places[0] else f"{_relative(place.p95_ns, best)} times",
            show.count(place.n),
        ]
        for place in one.places
    ]
    rows += [
        [show.cell(view.title_of(service)), *(show.DASH,) * 3, "not ranked", show.DASH]
        for service in one.left_out
    ]
    return Section(f"p95 of {show.cell(one.route)} compared", [Table(head, rule, rows)])


def winner(
    view: "Report", rankings: "Sequence[Ranking]", tests: "Sequence[Mapping[str, Any]]" = ()
) -> str | None:
    """Who is the fastest on the headline route at one user, or who cannot be told apart there; then what load tests say."""
    one = headline(rankings)
    if one is None or len(one.places) < 2:
        return None
    first, second = one.places[:2]
    name, other = show.cell(view.title_of(first.service)), show.cell(view.title_of(second.service))
    tied = _tied(one)
    lead = (
        f"Fastest like for like on {show.cell(one.route)} at one user: **{name}**, p95 {show.duration(first.p95_ns)} against "
        f"{show.duration(second.p95_ns)} of {other}"
    )
    if first.p95_high_ns is None or second.p95_low_ns is None:
        said = f"{lead}; without bounds nobody knows whether that is sure."
    elif len(tied) == 1:
        said = f"{lead}; their bounds lie apart."
    else:
        said = (
            f"Fastest like for like on {show.cell(one.route)}: {_all(f'**{_name(view, place)}**' for place in tied)} lead, and "
            f"cannot be told apart at one user: p95 {_all(_bounded(place) for place in tied)}, whose bounds overlap."
        )
    return f"{said}{_under_load(view, one, tests)}{_elsewhere(view, rankings)}"


def _under_load(view: "Report", one: "Ranking", tests: "Sequence[Mapping[str, Any]]") -> str:
    """Who of the ranked has the least p95 in the load tests of that route, by number of users; empty without them."""
    ranked_too = {place.service for place in one.places}
    points: dict[int, list[Mapping[str, Any]]] = {}
    for test in tests:
        is_route = view.operation_of(test["service"], test["operation"]) == one.route
        if (
            test["valid"]
            and test["users"] > 1
            and test["p95_ns"]
            and is_route
            and test["service"] in ranked_too
        ):
            points.setdefault(test["users"], []).append(test)
    leads: dict[str, list[int]] = {}
    last: list[Mapping[str, Any]] = []
    for users, here in sorted(points.items()):
        if len(here) > 1:
            last = sorted(here, key=lambda test: test["p95_ns"])
            leads.setdefault(last[0]["service"], []).append(users)
    if not leads:
        return ""
    about = "(load tests: one window each, without bounds)"
    if len(leads) == 1:
        leader, after = last[:2]
        most = f" with {leader['users']}" if len(points) > 1 else ""
        return (
            f" Under load **{show.cell(view.title_of(leader['service']))}** has the least p95 with "
            f"{_span(leads[leader['service']], sorted(points))} users: {show.duration(leader['p95_ns'])} against "
            f"{show.duration(after['p95_ns'])} of {show.cell(view.title_of(after['service']))}{most} {about}."
        )
    each = (
        f"{show.cell(view.title_of(service))} with {_span(users, sorted(points))}"
        for service, users in leads.items()
    )
    return f" Under load the least p95 is that of {_all(each)} users {about}."


def _span(users: "Sequence[int]", loads: "Sequence[int]") -> str:
    """Numbers of users in words: as a range only where no load of `loads` between them is another's."""
    begin = loads.index(users[0])
    whole = list(users) == list(loads[begin : begin + len(users)])
    if whole and len(users) > _SPAN:
        return f"{users[0]} to {users[-1]}"
    return _all(str(number) for number in users)


def _all(words: "Iterable[str]") -> str:
    """Words in a row: "one, two and three"."""
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


def _name(view: "Report", place: "Reading") -> str:
    return show.cell(view.title_of(place.service))


def _bounded(place: "Reading") -> str:
    return f"{show.duration(place.p95_ns)} ({show.duration(place.p95_low_ns)} to {show.duration(place.p95_high_ns)})"


def _behind(view: "Report") -> list[str]:
    """What the APIs ask in place of the databases that their routes are named after."""
    replaced = ", ".join(f"{show.cell(part.stand_in)} for {show.cell(part.title)}" for part in view.stand_ins)
    return [f"Behind the routes answers {replaced}."] if replaced else []


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


def _apart(one: "Ranking") -> bool:
    """Whether the first is faster than everybody else by more than the bounds of both."""
    first, second = one.places[:2]
    known = first.p95_high_ns is not None and second.p95_low_ns is not None
    return known and len(_tied(one)) == 1


def _elsewhere(view: "Report", rankings: "Sequence[Ranking]") -> str:
    """Who comes first on most of the other routes, and on how many of these that is sure."""
    others = [one for one in rankings if one is not headline(rankings) and len(one.places) > 1]
    if not others:
        return ""
    firsts = Counter(one.places[0].service for one in others)
    most = max(firsts.values())
    leaders = [service for service, count in firsts.items() if count == most]
    names = _all(show.cell(view.title_of(service)) for service in leaders)
    sure = sum(_apart(one) for one in others if one.places[0].service in leaders)
    if len(others) == 1:
        bounds = "lie apart" if sure else "overlap or are not known"
        return f" {names} comes first on the other route, with bounds that {bounds}."
    if len(leaders) > 1:
        return (
            f" On the {len(others)} other routes {names} come first as often, on {most} each; "
            f"on {sure} of all these with bounds that lie apart."
        )
    many = f"all {len(others)}" if most == len(others) else f"{most} of the {len(others)}"
    return f" {names} comes first on {many} other routes, on {sure} of them with bounds that lie apart."


def _places(view: "Report", rankings: "Sequence[Ranking]") -> Table:
    most = max(len(one.places) for one in rankings)
    head, rule = columns("route", "p95 in", *(f"{place}." for place in range(1, most + 1)), words=most + 2)
    rows: list[list[str]] = []
    for one in rankings:
        unit = show.unit_for(place.p95_ns for place in one.places)
        places = [_place(view, one.places[0], place, unit) for place in one.places]
        rows.append([show.cell(one.route), unit, *places, *(show.DASH,) * (most - len(places))])
    return Table(head, (rule[0], "--:", *rule[2:]), rows)


def _place(view: "Report", first: "Reading", place: "Reading", unit: "show.Unit") -> str:
    """One implementation in its place, in the unit of its line, so that the line can be reckoned again."""
    text = f"{_name(view, place)} {show.in_unit(place.p95_ns, unit)}"
    if place is first:
        return text
    tied = "≈ " if _overlap(first, place) else ""
    return f"{tied}{text} (×{_relative(place.p95_ns, first.p95_ns)})"  # noqa: RUF001 - as many times


def _left_out(view: "Report", rankings: "Sequence[Ranking]") -> list[Block]:
    reasons: dict[tuple[str, str], dict[str, str]] = {}
    for one in rankings:
        for service, why in one.left_out.items():
            # The same reason with another number is the same reason.
            reasons.setdefault((service, _NUMBER.sub("#", why)), {})[one.route] = why
    if not reasons:
        return []
    lines: list[str] = []
    for (service, _), routes in reasons.items():
        alike = ", and alike" if len(set(routes.values())) > 1 else ""
        where = ", ".join(show.cell(route) for route in routes)
        why = show.prose(next(iter(routes.values())))
        lines.append(f"{show.cell(view.title_of(service))} on {where}: {why}{alike}")
    return ["Not ranked, and why:", Lines(lines)]


def _relative(time_ns: int | None, best_ns: int | None) -> str:
    return show.times(time_ns / best_ns if time_ns and best_ns else None)
