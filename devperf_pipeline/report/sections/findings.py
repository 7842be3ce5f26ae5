"""Which bottlenecks and costs were found, and what does each layer add?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devperf_pipeline.services import place_of

if TYPE_CHECKING:
    from devperf_pipeline.analyse.judgements import Finding
    from devperf_pipeline.report.loaded import Report

THROUGHPUT = ("saturated-core", "overload")
"""Findings that cost calls per second, not time."""

_SHOWN = {"open", "improved", "optimised"}


def worst_bottleneck(report: "Report") -> Mapping[str, Any]:
    """The open bottleneck that costs most time a call."""
    still = [one for one in report.findings if one.kind == "bottleneck" and one.holds and one.impact_ns]
    return {"one": max(still, key=lambda each: each.impact_ns, default=None)}


def findings(report: "Report") -> Mapping[str, Any]:
    """What was found, the service that pays most first; and by name what was not found, and what cannot be told."""
    shown = [one for one in report.findings if one.status in _SHOWN]
    groups: list[Sequence[Finding]] = []
    for finding, status in dict.fromkeys((one.finding, one.status) for one in shown):
        here = [one for one in shown if (one.finding, one.status) == (finding, status)]
        groups.append(
            sorted(here, key=lambda one: (-one.impact_ns, one.ratio if finding in THROUGHPUT else -one.ratio))
        )
    return {
        "throughput": THROUGHPUT,
        "groups": groups,
        "remedies": list({one.finding: one for one in reversed(shown)}.values())[::-1],
        "absent": [
            (heading, found)
            for heading, status in (
                ("Searched for and not found:", "not found"),
                ("Cannot be told, because rounds disagree or are too few:", "cannot tell"),
            )
            if (found := _where(report.findings, status))
        ],
    }


def layers(report: "Report") -> Mapping[str, Any]:
    """Of each task what the way there costs, then what each layer adds."""
    tasks = list(dict.fromkeys(row.task for row in report.layers))
    here = {(row.task, row.layer, row.service if row.layer == "api" else ""): row for row in report.layers}
    order = ("service", "driver", "api")
    chosen = sorted({key[1:] for key in here}, key=lambda layer: (order.index(layer[0]), place_of(layer[1])))
    return {
        "tasks": tasks,
        "below": [here.get((task, "service", "")) for task in tasks],
        "rows": [(layer, api, [here.get((task, layer, api)) for task in tasks]) for layer, api in chosen],
    }


def _where(found: "Sequence[Finding]", status: str) -> Mapping[str, Sequence[tuple[str, int | None]]]:
    """By title the services that have this status, with the users where it was searched with several numbers of them."""
    titles: dict[str, dict[tuple[str, int | None], None]] = {}
    for one in found:
        if one.status == status:
            loads = {
                each.users for each in found if (each.finding, each.service) == (one.finding, one.service)
            }
            users = one.users if len(loads) > 1 else None
            titles.setdefault(one.title, {})[one.service, users] = None
    return {title: list(places) for title, places in titles.items()}
