"""What does a report say of sustained loads?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import format as show
from devperf_pipeline.report.section import Block, Chart, Lines, Section, Table, columns
from devperf_pipeline.report.sections import summary

if TYPE_CHECKING:
    from devperf_pipeline.report.model import Report

_LADDER = ("p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "max")

ABOUT = (
    "Closed loads in one uninterrupted window by the engine, every call kept. *Throughput* counts calls that ended "
    "well; *mean* is what a user waits, *across users* the time from one answer to the next. Percentiles are over all calls."
)


def load_tests(
    view: "Report",
    tests: Sequence[Mapping[str, Any]],
    knees: Sequence[Mapping[str, Any]],
    charts: Sequence[Chart],
) -> list[Section]:
    """The sweep of each sustained operation, and the ladder of percentiles of the longest load; empty without load tests."""
    if not tests:
        return []
    blocks: list[Block] = [
        f"{ABOUT} {_where(view, tests)}The longest load of each:",
        _loads(view, longest(tests)),
        "Its percentiles:",
        _ladders(view, tests),
        *charts,
    ]
    points = _sweep(view, tests)
    if points:
        blocks += ["The sweep: calls by the second and p95 with so many users at once.", points]
    if knees:
        blocks += [
            "From how many users on more of them only wait longer:",
            Lines([knee(view, one) for one in knees]),
        ]
    doubts = [_doubt(view, one) for one in tests if not one["valid"]]
    if doubts:
        blocks += ["Does not count:", Lines(doubts)]
    busy = _busy(view, tests)
    if busy:
        blocks += [
            "Other processes used more than 30 % of the cores meanwhile, and were measured, too:",
            Lines(busy),
        ]
    return [Section("Load tests", blocks)]


def _where(view: "Report", tests: Sequence[Mapping[str, Any]]) -> str:
    """Where client and servers ran, and what that means for one user, who ran elsewhere in the tables of the services."""
    known = [one for one in tests if one["placement"]]
    where = summary.placed((one["placement"], one["users"]) for one in known)
    if not where:
        return ""
    alone = {one["placement"] for one in known if one["users"] == 1}
    before = {row.placement for part in view.parts for row in part.new if row.users == 1}
    elsewhere = (
        "One user is therefore not the one user of the services' tables, who shares a core with the servers: "
        "between two cores each call wakes somebody up, which a quick call feels most. "
    )
    shared = bool(alone) and bool(before) and all(name.startswith("together") for name in before - alone)
    return f"Here, {where}. {elsewhere if shared and not alone & before else ''}"


def longest(tests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each sustained operation the valid load that lasted longest: the load test; the others are points of its sweep."""
    chosen: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in tests:
        key = (one["service"], one["operation"])
        if one["valid"] and (key not in chosen or one["elapsed_ns"] >= chosen[key]["elapsed_ns"]):
            chosen[key] = one
    return list(chosen.values())


def before_the_end(
    pieces: Sequence[Mapping[str, Any]], test: Mapping[str, Any], bucket_ns: int
) -> list[Mapping[str, Any]]:
    """The pieces without those whose calls outlived the load: they were quick because nobody else asked any more."""
    if not pieces:
        return []
    began_ns = pieces[0]["at_ns"] - bucket_ns // 2
    last_ns = began_ns + test["elapsed_ns"] - (test["p50_ns"] or 0)
    return [piece for piece in pieces if piece["at_ns"] + bucket_ns // 2 <= last_ns]


def _sweep(view: "Report", tests: Sequence[Mapping[str, Any]]) -> Table | None:
    """One line an operation, one column a number of users; None where no operation was loaded with two of them."""
    lines: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for one in tests:
        lines.setdefault((one["service"], one["operation"]), {})[one["users"]] = one
    if all(len(points) < 2 for points in lines.values()):
        return None
    users = sorted({number for points in lines.values() for number in points})
    head, rule = columns("service", "operation", *(show.users(number) for number in users), words=2)
    rows = [
        [
            show.cell(view.title_of(service)),
            show.cell(view.operation_of(service, operation)),
            *(_point(points.get(number)) for number in users),
        ]
        for (service, operation), points in lines.items()
    ]
    return Table(head, rule, rows)


def _point(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return show.DASH
    return (
        "~~not valid~~"
        if not one["valid"]
        else f"{show.throughput(one['throughput_per_s'])}, {show.duration(one['p95_ns'])}"
    )


def _loads(view: "Report", tests: Sequence[Mapping[str, Any]]) -> Table:
    head, rule = columns(
        "service", "operation", "users", "throughput", "p50", "p95", "p99", "mean", "across users", "calls", "failed",
        "non-success", "took", words=2,
    )  # fmt: skip
    rows = [
        [
            show.cell(view.title_of(one["service"])),
            show.cell(view.operation_of(one["service"], one["operation"])),
            show.count(one["users"]),
            show.throughput(one["throughput_per_s"]),
            *(show.duration(one[f"{name}_ns"]) for name in ("p50", "p95", "p99")),
            _mean(one["mean_ns"]),
            _mean(one["mean_across_users_ns"]),
            show.count(one["n"]),
            show.count(one["failed"]),
            show.count(one["non_success"]),
            show.duration(one["elapsed_ns"] or None),
        ]
        for one in tests
    ]
    return Table(head, rule, rows)


def _ladders(view: "Report", tests: Sequence[Mapping[str, Any]]) -> Table:
    head, rule = columns("service", "users", *_LADDER)
    return Table(
        head,
        rule,
        [
            [
                show.cell(view.title_of(one["service"])),
                show.count(one["users"]),
                *(show.duration(one[f"{name}_ns"]) for name in _LADDER),
            ]
            for one in longest(tests)
        ],
    )


def knee(view: "Report", one: Mapping[str, Any]) -> str:
    """One knee in words, or why there is none."""
    what = f"{show.cell(view.title_of(one['service']))}, {show.cell(view.operation_of(one['service'], one['operation']))}"
    if one["knee_users"] is None:
        return f"{what}: not found ({show.prose(one['reason'])})"
    at = f"{show.users(one['knee_users'])} at {show.throughput(one['knee_throughput_per_s'])}"
    return f"{what}: {at} ({show.prose(one['reason'])})"


def _doubt(view: "Report", one: Mapping[str, Any]) -> str:
    reason = show.prose(one["invalid_reason"] or "no reason was stored")
    return f"~~{show.cell(view.title_of(one['service']))}~~, {show.users(one['users'])}: {reason}"


def _busy(view: "Report", tests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which valid loads were not alone on the machine, a line a service."""
    users: dict[str, list[str]] = {}
    for one in tests:
        if one["valid"] and one["busy_rounds"]:
            users.setdefault(one["service"], []).append(show.count(one["users"]))
    return [
        f"{show.cell(view.title_of(name))}: {', '.join(those)} user{'' if those == ['1'] else 's'}"
        for name, those in users.items()
    ]


def _mean(time_ns: float | None) -> str:
    return show.duration(None if time_ns is None else round(time_ns))
