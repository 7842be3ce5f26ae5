"""
Did a secret get into anything that a run wrote?

The measuring step leaves what it used in this process's memory, never on disk; every step of a run is in one process.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from devperf_pipeline.defs.keys import Keys
from devperf_pipeline.errors import DevperfError
from devperf_pipeline.measure.interrupts import TookTooLong, at_most
from devperf_pipeline.model import Baseline
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.secret import Secrets
from devperf_pipeline.store.secret_search import Leak, Search, leaks

CHECK = "no_secret_leaked"
SEARCHING_S = 2.0
"""Who interrupts a run waits so long for the search of what it wrote."""

SHOWN = 20
"""So many places are named; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What the search needs to know of a run: its baseline, its secrets, and the command lines of our servers."""

    baseline: Baseline
    secrets: Secrets = field(repr=False)
    command_lines: dict[str, str] = field(repr=False)


_used: dict[str, Callable[[], Used | None]] = {}
_measured_by: dict[str, str | None] = {}


def _nothing() -> None:
    """What is known of a run that has not measured."""


def remember(run_id: str, used: Callable[[], Used | None]) -> None:
    """Keep how to know what a run has used by the time of this run's search, in memory alone; None before it began."""
    _used[run_id] = used


def was_measured_by(run_id: str, by: str | None) -> None:
    """Say which run has measured the baseline of a run that measures nothing itself; None: nobody knows."""
    _measured_by[run_id] = by


def no_secret_leaked(keys: Keys, folders: Folders) -> dg.AssetChecksDefinition:
    """The check of a stack's baseline, when the report is there too."""

    @dg.multi_asset_check(
        name=f"{keys.prefix}_{CHECK}",
        specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=keys.baseline,
                additional_deps=[keys.report],
                description="No password or token that the run used is in its logs, events, samples, tables, reports "
                "or on a command line, however it is spelled.",
            )
        ],
    )
    def look(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """Look for every secret of the run in everything that it wrote; one that is found fails the run."""

        def result(*, passed: bool, told: Mapping[str, str]) -> dg.AssetCheckResult:
            return dg.AssetCheckResult(
                passed=passed, asset_key=keys.baseline, check_name=CHECK, metadata=dict(told)
            )

        run = context.run
        if run.run_id in _measured_by:
            passed, why = _of_the_run_before(context.instance, _measured_by.pop(run.run_id))
            yield result(passed=passed, told={"what was seen": why})
            return
        used = _used.get(run.run_id, _nothing)()
        if used is None:
            raise dg.Failure(
                "The secrets of a run are known while it measures, and this run has not measured. "
                f"Materialise {keys.stack.name}/samples/<service> together with the baseline.",
                allow_retries=False,
            )
        found = found_in(context.instance, run, folders)
        why = _places(found) if found else f"{len(used.secrets.sought)} secrets sought, none found"
        yield result(passed=not found, told={"what was seen": why, **used.secrets.unsought})
        if found:
            raise failure(found)

    return look


def _of_the_run_before(instance: dg.DagsterInstance, by: str | None) -> tuple[bool, str]:
    """What is known of a baseline that another run measured, which searched all that it wrote before it ended."""
    run = instance.get_run_by_id(by) if by else None
    if run is None:
        return (
            False,
            "It was measured by a run that is not known here, so nobody knows its secrets: measure again.",
        )
    passed = run.status is dg.DagsterRunStatus.SUCCESS
    how = "and found none of its secrets" if passed else f"and ended as {run.status.value}: see what it says"
    return (
        passed,
        f"The run {run.run_id} measured it, searched its samples, logs and events, {how}. What follows from it is made of those samples alone.",
    )


def found_in(instance: dg.DagsterInstance, run: dg.DagsterRun, folders: Folders) -> list[Leak]:
    """
    Every place where a secret of that run is found; none where it has begun nothing, or was searched before.
    Its secrets are forgotten afterwards.

    Raises:
        dg.Failure: something cannot be read, so nobody knows.

    """
    used = _used.pop(run.run_id, _nothing)()
    if used is None:
        return []
    search = Search(used.secrets)
    try:
        found = set(leaks(folders, used.baseline.id, used.baseline.began_at_ns, search))
    except DevperfError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    for place, text in used.command_lines.items():
        found |= search.text(place, text)
    for place, text in _dagster(instance, run):
        found |= search.text(place, text)
    # What steps wrote to their terminal, where Dagster keeps that.
    for path in (folders.dagster_home / "storage" / run.run_id).rglob("*"):
        if path.is_file():
            found |= search.text(str(path.relative_to(folders.root)), path.read_bytes())
    return sorted(found)


def tell_of_cut_short(
    context: dg.AssetExecutionContext, folders: Folders, say: Callable[[str], None]
) -> None:
    """Say which secrets are in what a run wrote that ends before its check; nothing must hide why it ends."""
    try:
        with at_most(SEARCHING_S):
            found = found_in(context.instance, context.run, folders)
        if found:
            raise failure(found)
    except dg.Failure as told:
        say(told.description or "")
    except TookTooLong:
        say("What this run wrote was not searched for secrets to the end; the next baseline does it.")
    except OSError as unread:
        say(f"What this run wrote could not be searched for secrets to the end: {unread}")


def _places(found: list[Leak]) -> str:
    """Where secrets were found, one sentence; the secrets themselves are never told."""
    more = f" and {len(found) - SHOWN} more places" if len(found) > SHOWN else ""
    return f"Found {'; '.join(map(str, found[:SHOWN]))}{more}."


def failure(found: list[Leak]) -> dg.Failure:
    """What ends a run that wrote a secret down."""
    return dg.Failure(
        f"No secret may be in anything that a run writes. {_places(found)} What was measured is kept. Change those secrets, "
        "remove those files, and report how the secret came there.",
        allow_retries=False,
    )


def _dagster(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[tuple[str, str]]:
    """What Dagster keeps of a run: its configuration and tags, and every event and line of its log."""
    yield "Dagster's record of the run", dg.serialize_value(run)
    for number, entry in enumerate(instance.all_logs(run.run_id), start=1):
        kind: Any = entry.dagster_event.event_type_value if entry.dagster_event else "a line of the log"
        yield f"event {number} of the run ({kind})", dg.serialize_value(entry)
