"""
What does a report say of bottlenecks, of costs, and of what each layer adds?

Every sentence with a number is made from the row that it speaks of.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Block, Lines, Section, Table, columns
from devperf_pipeline.services import place_of

if TYPE_CHECKING:
    from devperf_pipeline.analyse.findings import Finding, Layer
    from devperf_pipeline.report.model import Report

INTRODUCTION = (
    "Searched for by rule in this baseline's rows, bottlenecks first, then costs that a stack may have chosen. "
    "*Costs a call* is the median over rounds, in brackets the round where it cost least and the one where it cost most."
)

THROUGHPUT = ("saturated-core", "overload")
"""Findings that cost calls by the second, not time."""

ONE_CORE = {
    "saturated-core": "All servers had one core together in this measurement, so more processes would show only with more cores.",
    "overload": "All servers had one core together in this measurement, so what is asked behind it competes for that core too.",
}
"""What it means for a finding that the placement gave the servers a single core."""


def found(view: "Report", searched: "Sequence[Finding]") -> Section | None:
    """What was found, what to do about it, and what was searched for in vain; None where nothing could be searched for."""
    if not searched:
        return None
    shown = [one for one in searched if one.status in {"open", "improved", "optimised"}]
    blocks: list[Block] = [INTRODUCTION, _table(view, shown), Lines(_remedies(shown))] if shown else []
    for status, heading in (
        ("not found", "Searched for and not found:"),
        ("cannot tell", "Could not be told, because rounds disagree or are too few:"),
    ):
        absent: dict[str, dict[str, None]] = {}
        for one in searched:
            if one.status == status:
                absent.setdefault(one.title, {})[_whose(view, one, searched)] = None
        if absent:
            blocks += [
                heading,
                Lines([f"{show.cell(title)}: {' · '.join(where)}" for title, where in absent.items()]),
            ]
    return Section("Findings", blocks)


def worst(view: "Report", searched: "Sequence[Finding]") -> str | None:
    """The dearest bottleneck that is open, in one sentence."""
    still = [one for one in searched if one.kind == "bottleneck" and one.holds and one.impact_ns]
    if not still:
        return None
    one = max(still, key=lambda each: each.impact_ns)
    return (
        f"The dearest bottleneck: **{show.cell(one.title)}** by {_service(view, one.service)}. Of the "
        f"{show.duration(one.p50_ns)} that {_operation(view, one)} takes (p50), it costs {show.duration(one.impact_ns)}: "
        f"the median of {show.count(one.rounds)} rounds, {show.duration(one.impact_low_ns)} in the cheapest of them and "
        f"{show.duration(one.impact_high_ns)} in the dearest. {show.prose(' '.join([one.remedy, *_conditions(one)]))}"
    )


def layered(view: "Report", rows: "Sequence[Layer]") -> Section | None:
    """One line a task: the way there, then what each layer adds."""
    tasks = list(dict.fromkeys(row.task for row in rows))
    if not tasks:
        return None
    layers = list(dict.fromkeys((row.layer, row.service if row.layer == "api" else "") for row in rows))
    layers.sort(
        key=lambda layer: (
            ("service", "driver", "api").index(layer[0]),
            place_of(layer[1]),
        )
    )
    here = {(row.task, row.layer, row.service if row.layer == "api" else ""): row for row in rows}
    below = [here.get((task, "service", "")) for task in tasks]
    lines = [["way there", *(show.duration(row.against_p50_ns) if row else show.DASH for row in below)]]
    for layer, api in layers:
        name = _service(view, api) if api else f"the {layer}"
        lines.append([f"+ {name}", *(_added(here.get((task, layer, api))) for task in tasks)])
    head, rule = columns("layer", *(show.cell(task) for task in tasks))
    about = (
        "The same task at the service itself (engine), through its Python driver, and through each API; one user, p50. "
        "*Way there* is the floor: client, sockets, and the server waking up. What an API adds to the service holds its "
        "framework, its own driver and one more way there. In brackets the lowest and the highest round."
    )
    return Section("What each layer costs", [about, Table(head, rule, lines)])


def _table(view: "Report", shown: "Sequence[Finding]") -> Table:
    """One line a finding and status, the service that pays most first."""
    head, rule = columns("finding", "status", "costs a call, where it costs most", "and elsewhere", words=4)
    lines: list[list[str]] = []
    for finding, status in dict.fromkeys((one.finding, one.status) for one in shown):
        here = [one for one in shown if (one.finding, one.status) == (finding, status)]
        here.sort(key=lambda one: (-one.impact_ns, one.ratio if one.finding in THROUGHPUT else 0))
        first = here[0]
        title = show.cell(first.title)
        lines.append(
            [
                f"**{title}**" if first.kind == "bottleneck" else title,
                status,
                f"{_where(view, first)}: {_paid(first)}",
                "; ".join(f"{_elsewhere(view, one, first)} {_briefly(one)}" for one in here[1:]) or show.DASH,
            ]
        )
    return Table(head, rule, lines)


def _where(view: "Report", one: "Finding") -> str:
    users = "" if one.users == 1 else f", {one.users} users"
    return f"{_service(view, one.service)}{users}, {_operation(view, one)}"


def _elsewhere(view: "Report", one: "Finding", first: "Finding") -> str:
    """The same without the operation where it is the one that was named before."""
    where = _where(view, one)
    return where.removesuffix(f", {_operation(view, one)}") if one.operation == first.operation else where


def _paid(one: "Finding") -> str:
    """What it costs a call, or what it keeps throughput from."""
    if one.finding in THROUGHPUT:
        return f"{show.times(one.ratio)} times the throughput of {show.cell(one.against)}"
    against = f" ({show.cell(one.against)})" if one.finding == "sequential-health" else ""
    return f"{_cost(one)} of {show.duration(one.p50_ns)}{against}"


def _briefly(one: "Finding") -> str:
    """The same where another one is told in full."""
    if one.finding in THROUGHPUT:
        return f"{show.times(one.ratio)} times that of {show.cell(one.against)}"
    return show.duration(one.impact_ns)


def _whose(view: "Report", one: "Finding", searched: "Sequence[Finding]") -> str:
    """The service, and the users where it was searched with several numbers of them."""
    loads = {
        other.users for other in searched if (other.finding, other.service) == (one.finding, one.service)
    }
    users = f", {one.users} user{'' if one.users == 1 else 's'}" if len(loads) > 1 else ""
    return f"{_service(view, one.service)}{users}"


def _conditions(one: "Finding") -> list[str]:
    """What of this measurement a reader must know to judge the remedy."""
    said: list[str] = []
    if one.behind_ns is not None:
        said.append(
            f"Vault itself takes {show.duration(one.behind_ns)} for a KV read: the rest is the work of the API."
        )
    if one.server_cores == 1:
        said.append(ONE_CORE[one.finding])
    return said


def _remedies(shown: "Sequence[Finding]") -> list[str]:
    first = {one.finding: one for one in reversed(shown)}
    order = dict.fromkeys(one.finding for one in shown)
    return [
        f"**{show.cell(one.title)}** (holds when {show.prose(one.rule)}). Remedy: {show.prose(one.remedy)} "
        f"Expected gain: {show.prose(' '.join([f'{one.gain}.', *_conditions(one)]))}"
        for one in (first[name] for name in order)
    ]


def _cost(one: "Finding") -> str:
    low, high = show.duration(one.impact_low_ns), show.duration(one.impact_high_ns)
    return f"{show.duration(one.impact_ns)} ({low} to {high})"


def _added(row: "Layer | None") -> str:
    if row is None:
        return show.DASH
    low, high = show.duration(row.difference_low_ns), show.duration(row.difference_high_ns)
    return f"{show.duration(row.difference_ns)} ({low} to {high})"


def _service(view: "Report", service: str) -> str:
    return show.cell(view.title_of(service))


def _operation(view: "Report", one: "Finding") -> str:
    return show.cell(view.operation_of(one.service, one.operation))
