"""
Which implementations answered a route in the same way, and why did the others not?

An answer that is not as the contract says is another one; of those that are, what most answered counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devperf_pipeline.analyse.contract import Contract
from devperf_pipeline.model import RouteAnswer, is_routed
from devperf_pipeline.services import title_of

SHOWN = 3
"""So many differences are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """One route: the services that answered the same, and of each other one why not, as the rest of a sentence."""

    route: str
    same: tuple[str, ...]
    others: Mapping[str, str]


def parity(answers: Mapping[str, Sequence[RouteAnswer]], contract: Contract | None) -> dict[str, Parity]:
    """
    For each route who answered it the same way; `answers` are by service. The contract is about routes that a reference
    API answered: APIs of which nothing is known owe it nothing on routes of their own.
    """
    routes: dict[str, dict[str, RouteAnswer]] = {}
    for service, told in answers.items():
        for answer in told:
            routes.setdefault(answer.route, {})[service] = answer
    return {
        route: _of(route, told, None if all(map(is_routed, told)) else contract)
        for route, told in routes.items()
    }


def _of(route: str, told: Mapping[str, RouteAnswer], contract: Contract | None) -> Parity:
    others: dict[str, str] = {}
    right = dict(told)
    for service, answer in told.items():
        problem = contract.wrong(answer) if contract else None
        if problem is not None:
            others[service] = f"its answer is not as the contract says: {problem}"
            del right[service]
    usual = _most([*right.values()])
    same = tuple(service for service, answer in right.items() if answer == usual)
    for service, answer in right.items():
        if service not in same:
            assert usual is not None
            others[service] = (
                f"its answer differs from that of {', '.join(map(title_of, same))}: {_difference(answer, usual)}"
            )
    return Parity(route=route, same=same, others=others)


def _most(answers: Sequence[RouteAnswer]) -> RouteAnswer | None:
    """What most answered; of two that as many answered, a success first, then the one that came first."""
    return max(answers, key=lambda each: (answers.count(each), each.status // 100 == 2), default=None)


def _difference(answer: RouteAnswer, usual: RouteAnswer) -> str:
    if answer.status != usual.status:
        return f"status {answer.status}, not {usual.status}"
    found: list[str] = []
    for path in sorted(answer.shape.keys() | usual.shape.keys()):
        here, there = answer.shape.get(path), usual.shape.get(path)
        if here == there:
            continue
        if there is None:
            found.append(f"there is {path}")
        elif here is None:
            found.append(f"there is no {path}")
        else:
            # "string: absent" says how a dependency is, which tells more than that it is text.
            found.append(f"{path} is {here.removeprefix('string: ')}, not {there.removeprefix('string: ')}")
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
