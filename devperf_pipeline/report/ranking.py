"""
How is told which implementation of a route is the fastest?
"""

from collections.abc import Sequence
from dataclasses import dataclass

from devperf_pipeline.analyse.ranking import Ranking, Reading
from devperf_pipeline.report import format as show
from devperf_pipeline.report.tables import Table
from devperf_pipeline.services import CATALOGUE


@dataclass(frozen=True, slots=True)
class Ranked:
    """
    The table of all routes, None where nobody can be compared, and a sentence for each service that is left out.
    """

    table: Table | None
    left_out: Sequence[str]


def ranked(rankings: Sequence[Ranking]) -> Ranked | None:
    """
    What a report shows of the rankings; None where there are none.
    """
    if not rankings:
        return None
    routes = [ranking for ranking in rankings if len(ranking.places) > 1]
    return Ranked(_table(routes) if routes else None, _left_out(rankings))


def _table(rankings: Sequence[Ranking]) -> Table:
    """
    One line an implementation, the fastest first, under the route's name.
    """
    head = ("route", "place", "implementation", "p95 (bounds)", "p50", "against the first")
    rows = [
        [
            show.cell(ranking.route) if place == 1 else "",
            str(place),
            _title(reading.service),
            _p95(reading),
            show.duration(reading.p50_ns),
            _against(reading, ranking.places[0]),
        ]
        for ranking in rankings
        for place, reading in enumerate(ranking.places, start=1)
    ]
    return Table(head, (":--", "--:", ":--", "--:", "--:", "--:"), rows)


def _p95(reading: Reading) -> str:
    text = show.duration(reading.p95_ns)
    if reading.p95_low_ns is None or reading.p95_high_ns is None:
        return text
    return f"{text} ({show.duration(reading.p95_low_ns)} to {show.duration(reading.p95_high_ns)})"


def _against(reading: Reading, first: Reading) -> str:
    if reading is first or not first.p95_ns or reading.p95_ns is None:
        return show.DASH
    return f"{reading.p95_ns / first.p95_ns:.2f} times"


def _left_out(rankings: Sequence[Ranking]) -> list[str]:
    """
    One sentence for each service and reason, with the routes that it is about.
    """
    routes: dict[tuple[str, str], list[str]] = {}
    for ranking in rankings:
        for service, why in ranking.left_out.items():
            routes.setdefault((service, why), []).append(ranking.route)
    return [
        f"**{_title(service)}**, {', '.join(map(show.cell, names))}: {show.prose(why)}."
        for (service, why), names in routes.items()
    ]


def _title(service: str) -> str:
    return show.cell(CATALOGUE[service].title if service in CATALOGUE else service)
