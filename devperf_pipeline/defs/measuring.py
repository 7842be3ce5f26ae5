"""
What happens when samples are materialised?

One step measures any subset of the services in one run, so that their rounds can be interleaved; it starts the
local stack when nobody has, and stops what it started.
A service that fails gets failed checks and no materialisation: its older samples stay, and the others go on.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from devperf_pipeline.defs import checks, secret_check
from devperf_pipeline.defs.assets import FRESH, MEASURED, RENEWED, spec
from devperf_pipeline.defs.keys import STAGES, Keys
from devperf_pipeline.defs.materialisations import hub, results
from devperf_pipeline.errors import DevperfError, StoreError
from devperf_pipeline.local import lifecycle
from devperf_pipeline.local.lifecycle import standing
from devperf_pipeline.measure.interrupts import TookTooLong, at_most, interrupted_once
from devperf_pipeline.measure.lock import only_one
from devperf_pipeline.measure.plan import options_of
from devperf_pipeline.measure.profile import PROFILES
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import Cancelled, Reporter, RunContext
from devperf_pipeline.measure.tally import Tally
from devperf_pipeline.model import Stage
from devperf_pipeline.report.run_progress import now_and_then, on_terminal, to_terminal
from devperf_pipeline.services import CATALOGUE, title_of
from devperf_pipeline.stack.credentials import Reader
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.host import host_facts
from devperf_pipeline.stack.secret import secrets_of
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore

CLI_TAG = "devperf/pid"
"""Runs of the command line carry its process id: their progress goes to its terminal, and a dead one is noticed."""

KEEPING_S = 3.0
"""Who interrupts a run waits so long for the tables that have its rounds."""

POOL = "measuring"
"""`dagster.yaml` lets one run of it be under way: the UI shows what a run waits for. The lock file holds beyond that."""


class ProfileName(Enum):
    """The profiles of `measure/profile.py`, as the launchpad offers them."""

    quick = "quick"
    standard = "standard"
    full = "full"


class MeasureConfig(dg.Config):
    """For how long to measure what is selected."""

    profile: ProfileName = Field(
        default=ProfileName.quick,
        description="; ".join(f"{profile.name}: {profile.about}" for profile in PROFILES.values()),
    )
    seconds: float = Field(
        default=0,
        ge=0,
        description="Seconds of each round, the profile's other lengths in proportion; 0 takes the profile's.",
    )


ABOUT: Mapping[Stage, str] = {
    "samples": "Every call made to {}: when it began, how long it took, how it ended.",
    "resources": "What the processes of {} used: CPU, memory, disk; idle, under load, and with requests held open.",
    "load_tests": "{} under sustained loads of 1 to 200 users: every call, and what it used meanwhile.",
    "tools": "What reference tools measure of {}, beside our own engine.",
}


def _specs(keys: Keys) -> Iterator[dg.AssetSpec]:
    one = partial(spec, code_version=MEASURED)
    yield one(
        keys.infrastructure,
        group=f"{keys.prefix}/stack",
        kinds={"toml"},
        skippable=True,
        description=f"The machine, and what each service of {keys.stack.path.name} says of its version and settings.",
    )
    for stage, name in keys.steps():
        service = keys.stack.service(name)
        icon = CATALOGUE[service.kind].icon
        yield one(
            keys.made(stage, name),
            group=f"{keys.prefix}/{stage}",
            deps=[keys.infrastructure],
            kinds={icon, "parquet"} if icon else {"parquet"},
            service=service,
            skippable=True,
            description=ABOUT[stage].format(title_of(name)),
        )
    yield one(
        keys.baseline,
        group=f"{keys.prefix}/baseline",
        deps=keys.all_made(),
        kinds={"parquet"},
        automation_condition=RENEWED,
        freshness_policy=FRESH,
        description="One run: everything that was measured together, and what was skipped or failed, and why.",
    )


def measuring(keys: Keys, folders: Folders) -> dg.AssetsDefinition:
    """The one step that measures: any subset of the stack's services, rounds interleaved. It writes Parquet alone."""

    @dg.multi_asset(
        name=keys.step,
        can_subset=True,
        specs=list(_specs(keys)),
        check_specs=[checks.measured_spec(keys.made("samples", name)) for name in keys.services("samples")],
        pool=POOL,
    )
    def measure_stack(context: dg.AssetExecutionContext, config: MeasureConfig) -> Iterator[Any]:
        """Measure the selected services in one run, rounds interleaved, one run at a time on this machine."""
        stages: dict[Stage, tuple[str, ...]] = {
            stage: tuple(
                name for name in keys.services(stage) if keys.made(stage, name) in context.selected_asset_keys
            )
            for stage in STAGES
        }
        if any(stages.values()):
            yield from _measured(context, config, keys, folders, stages)
        elif keys.baseline in context.selected_asset_keys:
            yield _gathered(context, keys, folders)
        else:
            raise _nothing(keys)

    return measure_stack


def _nothing(keys: Keys) -> dg.Failure:
    return dg.Failure(
        "Expected something to measure, found none: a baseline, its infrastructure and its checks are made while samples "
        f"are measured. Materialise {keys.stack.name}/samples/<service>.",
        allow_retries=False,
    )


def _gathered(context: dg.AssetExecutionContext, keys: Keys, folders: Folders) -> dg.MaterializeResult[Any]:
    """The newest baseline on disk, where a run has measured it without this asset; nothing is measured for it."""
    finished = [one for one in SampleStore(folders).finished() if one.stack == keys.stack.name]
    event = context.instance.get_latest_materialization_event(keys.baseline)
    if not finished or _baseline_of(event) == finished[-1].id:
        raise _nothing(keys)
    rows, by = 0, None
    for key in keys.all_made():
        event = context.instance.get_latest_materialization_event(key)
        if event and event.asset_materialization and _baseline_of(event) == finished[-1].id:
            rows += int(str(event.asset_materialization.metadata["dagster/row_count"].value))
            by = event.run_id
    secret_check.was_measured_by(context.run.run_id, by)
    return hub(keys, folders, finished[-1], rows)


def _baseline_of(event: dg.EventLogEntry | None) -> str | None:
    if event is None or event.asset_materialization is None:
        return None
    told = event.asset_materialization.metadata.get("baseline")
    return str(told.value) if told else None


def _measured(
    context: dg.AssetExecutionContext,
    config: MeasureConfig,
    keys: Keys,
    folders: Folders,
    stages: Mapping[Stage, tuple[str, ...]],
) -> Iterator[Any]:
    store = SampleStore(folders)
    tally = Tally(store)
    reporter = _reporter(context)
    try:
        with (
            interrupted_once(dg.DagsterExecutionInterruptedError),
            _told_when_cut_short(context, folders, reporter),
        ):
            store.check_writable()
            with only_one(cancelled=reporter.cancelled), _kept_when_interrupted(folders, store, reporter.say):
                for message in store.recover():
                    reporter.say(message)
                options = options_of(config.profile.value, stages, config.seconds)
                described = load_stack(str(keys.stack.path), folders, CATALOGUE)
                reader = Reader(described)
                with standing(described, folders, reporter.say, only=options.services) as stack:
                    names = [service.name for service in stack.services] if stack.managed else []
                    lines = lifecycle.command_lines(stack.name, folders) if stack.managed else {}

                    def used() -> secret_check.Used | None:
                        return tally.baseline and secret_check.Used(
                            baseline=tally.baseline,
                            secrets=secrets_of(stack, reader.used),
                            command_lines=lines,
                        )

                    secret_check.remember(context.run.run_id, used)
                    run = RunContext(
                        stack=stack,
                        sink=tally,
                        host=host_facts(folders.data),
                        processes={name: lifecycle.processes(folders, name) for name in names},
                        reread=reader,
                        reporter=reporter,
                    )
                    baseline = measure(run, options)
    except DevperfError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    yield from results(context.selected_asset_keys, keys, folders, baseline, tally)
    if keys.baseline not in context.selected_asset_keys:
        # Otherwise the check of the baseline looks, when the report is there too.
        found = secret_check.found_in(context.instance, context.run, folders)
        if found:
            raise secret_check.failure(found)


@contextmanager
def _kept_when_interrupted(
    folders: Folders, store: SampleStore, say: Callable[[str], None]
) -> Iterator[None]:
    """Whoever interrupts a run finds what was measured in the tables at once, not only after the next one."""
    try:
        yield
    except (Cancelled, dg.DagsterExecutionInterruptedError):
        try:
            with at_most(KEEPING_S):
                for message in (*store.recover(), *warehouse.build(folders).said):
                    say(message)
        except TookTooLong:
            say(
                "What was measured is kept; the next baseline puts it into the tables, or at once: devperf rebuild"
            )
        except StoreError:
            pass  # the next baseline would do the same; a full disk must not hide why this one ended
        raise


@contextmanager
def _told_when_cut_short(
    context: dg.AssetExecutionContext, folders: Folders, reporter: Reporter
) -> Iterator[None]:
    """
    A run that ends here has no report and no check of its baseline: what it wrote until now is searched for secrets,
    and of one that somebody stopped Dagster is told that it was cancelled, not that it failed.
    """
    try:
        yield
    except (Cancelled, dg.DagsterExecutionInterruptedError, DevperfError) as cut:
        say = to_terminal if _is_of_this_command_line(context) else context.log.error
        secret_check.tell_of_cut_short(context, folders, say)
        if isinstance(cut, DevperfError):
            raise
        if not reporter.cancelled():
            context.instance.report_run_canceling(context.run, "interrupted")
        raise dg.DagsterExecutionInterruptedError from None


def _reporter(context: dg.AssetExecutionContext) -> Reporter:
    """A command line's run is told of on its terminal, any other one in its log; Dagster knows who cancelled it."""

    def cancelled() -> bool:
        run = context.instance.get_run_by_id(context.run.run_id)
        return run is not None and run.status is dg.DagsterRunStatus.CANCELING

    if _is_of_this_command_line(context):
        return Reporter(say=to_terminal, progress=on_terminal(), cancelled=cancelled)
    return Reporter(say=context.log.info, progress=now_and_then(context.log.info), cancelled=cancelled)


def _is_of_this_command_line(context: dg.AssetExecutionContext) -> bool:
    """A run that the UI executes once more has the tags of the first one, and another process."""
    return context.run.tags.get(CLI_TAG) == str(os.getpid())
