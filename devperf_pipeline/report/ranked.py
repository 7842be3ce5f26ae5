"""
What does a report say of which API is the fastest, like for like?
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Block, Chart, Lines, Section, Table, columns

if TYPE_CHECKING:
    from devperf_pipeline.analyse.ranking import Ranking
    from devperf_pipeline.report.view import Picture

HEADLINE = "GET /health/all"

_NUMBER = re.compile(r"\d[\d,.]*")

ABOUT = (
    "Only implementations that gave the same answer and did the same work are ranked, by p95 at one user of this "
    "baseline; the others are named with the reason. In brackets: how many times the p95 of the first. Where the "
    "bounds of two overlap, their order may be chance."
)


def ranked(view: "Picture", rankings: "Sequence[Ranking]", chart: Chart | None) -> Section | None:
    """
    The places on every route, the aggregate of all health checks first, and who is left out; None where nobody ran.
    """
    routes = [one for one in rankings if len(one.places) > 1]
    left_out = _left_out(view, rankings)
    if not routes and not left_out:
        return None
    routes.sort(key=lambda one: one.route != HEADLINE)
    blocks: list[Block] = [ABOUT]
    if chart:
        blocks.append(chart)
    if routes:
        blocks.append(_places(view, routes))
    return Section("Ranking of the APIs", [*blocks, *left_out])


def compared(view: "Picture", rankings: "Sequence[Ranking]") -> Section | None:
    """
    The p95 of the aggregate of all health checks, with relative performance; None where nobody answered it.
    """
    one = next((each for each in rankings if each.route == HEADLINE and each.places), None)
    if one is None:
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
    return Section(f"p95 of {HEADLINE} compared", [Table(head, rule, rows)])


def winner(view: "Picture", rankings: "Sequence[Ranking]") -> str | None:
    """
    Who is the fastest on the headline route, in one sentence, and whether that is sure.
    """
    one = next((each for each in rankings if each.route == HEADLINE and len(each.places) > 1), None)
    if one is None:
        return None
    first, second = one.places[:2]
    name, other = show.cell(view.title_of(first.service)), show.cell(view.title_of(second.service))
    lead = (
        f"Fastest like for like on {HEADLINE}: **{name}**, p95 {show.duration(first.p95_ns)} against "
        f"{show.duration(second.p95_ns)} of {other}"
    )
    if first.p95_high_ns is None or second.p95_low_ns is None:
        said = f"{lead}; without bounds nobody knows whether that is sure."
    elif _apart(one):
        said = f"{lead}; their bounds lie apart."
    else:
        said = f"{lead}, but their bounds overlap: this order may be chance."
    return f"{said}{_elsewhere(name, first.service, rankings)}"


def _apart(one: "Ranking") -> bool:
    """
    Whether the first is faster than the second by more than the bounds of both.
    """
    first, second = one.places[:2]
    return (
        first.p95_high_ns is not None
        and second.p95_low_ns is not None
        and first.p95_high_ns < second.p95_low_ns
    )


def _elsewhere(name: str, service: str, rankings: "Sequence[Ranking]") -> str:
    """
    On how many of the other routes the same one comes first, and on how many of these that is sure.
    """
    others = [one for one in rankings if one.route != HEADLINE and len(one.places) > 1]
    first = [one for one in others if one.places[0].service == service]
    if not others:
        return ""
    if not first:
        return f" On none of the {len(others)} other routes {name} comes first."
    many = f"all {len(others)}" if len(first) == len(others) > 1 else f"{len(first)} of the {len(others)}"
    sure = sum(_apart(one) for one in first)
    return f" {name} comes first on {many} other routes, on {sure} of them with bounds that lie apart."


def _places(view: "Picture", rankings: "Sequence[Ranking]") -> Table:
    most = max(len(one.places) for one in rankings)
    head, rule = columns("route", *(f"{place}." for place in range(1, most + 1)), words=most + 1)
    rows = [
        [
            show.cell(one.route),
            *(
                f"{show.cell(view.title_of(place.service))} {show.duration(place.p95_ns)}"
                + (
                    f" (×{_relative(place.p95_ns, one.places[0].p95_ns)})"  # noqa: RUF001 - as many times
                    if place is not one.places[0]
                    else ""
                )
                for place in one.places
            ),
            *(show.DASH,) * (most - len(one.places)),
        ]
        for one in rankings
    ]
    return Table(head, rule, rows)


def _left_out(view: "Picture", rankings: "Sequence[Ranking]") -> list[Block]:
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
