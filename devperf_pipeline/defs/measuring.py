"""
What happens when samples are materialised?

One step measures any subset of the services in one run, so that their rounds can be interleaved; it starts the
local stack when nobody has, and stops what it started.
A service that fails gets failed checks and no materialisation: its older samples stay, and the others go on.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum

import dagster as dg
from pydantic import Field

from devperf_pipeline.defs import checks, keys, secret_check
from devperf_pipeline.defs.materialisations import results
from devperf_pipeline.defs.project import Project
from devperf_pipeline.defs.reports import report_metadata
from devperf_pipeline.errors import ConfigurationError, DevperfError, StoreError
from devperf_pipeline.local import lifecycle
from devperf_pipeline.local.lifecycle import standing
from devperf_pipeline.measure.interrupts import interrupted_once
from devperf_pipeline.measure.lock import only_one
from devperf_pipeline.measure.plan import PROFILES
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.run import RunOptions, measure, options_of
from devperf_pipeline.measure.run_context import Cancelled
from devperf_pipeline.measure.tally import Tally
from devperf_pipeline.model import Stack, Stage
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.credentials import Reader
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.host import host_facts
from devperf_pipeline.stack.secret import secrets_of
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore

CLI_TAG = "devperf/pid"
"""Runs of the command line carry its process id: their progress goes to its terminal, and a dead one is noticed."""

TELL_EVERY_S = 15.0


class ProfileName(Enum):
    """The profiles of `measure/plan.py`, as the launchpad offers them."""

    quick = "quick"
    standard = "standard"
    full = "full"


class MeasureConfig(dg.Config):
    """What to measure, and for how long."""

    profile: ProfileName = Field(
        default=ProfileName.quick,
        description="; ".join(f"{profile.name}: {profile.about}" for profile in PROFILES.values()),
    )
    seconds: float = Field(default=0, ge=0, description="Seconds of each round; 0 takes the profile's.")
    services: list[str] = Field(
        default=[], description="Only these of the selected services; empty: all of them."
    )
    stack: str = Field(default="local", description="The stack file to measure, by its name in stacks/.")

    def options(self, selected: Mapping[Stage, tuple[str, ...]], stack: Stack) -> RunOptions:
        """
        The same in the words of `measure/`: of the kinds that are selected, the services that the stack has.

        Raises:
            ConfigurationError: one of the services is not in the stack.

        """
        there = [service.name for service in stack.services]
        for name in self.services:
            if name not in there:
                raise ConfigurationError(
                    f"services expects names of {', '.join(there)} (from {stack.path}). Found {name!r}."
                )
        stages: dict[Stage, tuple[str, ...]] = {
            stage: tuple(
                name
                for kind in those
                for name in keys.members(kind, stack)
                if not self.services or name in self.services
            )
            for stage, those in selected.items()
        }
        return options_of(self.profile.value, stages, self.seconds)


ABOUT: Mapping[Stage, str] = {
    "samples": "Every call made to {}: when it began, how long it took, how it ended.",
    "resources": "What the processes of {} used: CPU, memory, disk; idle, under load, and with requests held open.",
    "load_tests": "{} under sustained loads of 1 to 200 users: every call, and what it used meanwhile.",
    "tools": "What reference tools measure of {}, beside our own engine.",
}


def _specs() -> Iterator[dg.AssetSpec]:
    yield dg.AssetSpec(
        keys.INFRASTRUCTURE,
        skippable=True,
        group_name="stack",
        kinds={"toml"},
        description="The machine, and what each running service says of its version and settings.",
    )
    for stage, services in keys.STAGES.items():
        for service in services:
            kind = CATALOGUE[service]
            yield dg.AssetSpec(
                keys.made(stage, service),
                skippable=True,
                group_name=stage,
                deps=[keys.INFRASTRUCTURE],
                kinds={kind.icon, "parquet"} if kind.icon else {"parquet"},
                tags={"devperf/service": kind.name, "devperf/role": kind.role},
                description=ABOUT[stage].format(kind.title),
            )
    yield dg.AssetSpec(
        keys.BASELINE,
        group_name="baseline",
        deps=[keys.made(stage, service) for stage, those in keys.STAGES.items() for service in those],
        kinds={"parquet"},
        description="One run: everything that was measured together, and what was skipped or failed, and why.",
    )


@dg.multi_asset(
    name="measure",
    can_subset=True,
    specs=list(_specs()),
    check_specs=[spec for service in keys.SERVICES for spec in checks.specs(service)],
)
def measuring(context: dg.AssetExecutionContext, config: MeasureConfig, project: Project) -> Iterator[object]:
    """Measure the selected services in one run, rounds interleaved, one run at a time on this machine."""
    folders = project.folders
    selected: dict[Stage, tuple[str, ...]] = {
        stage: tuple(kind for kind in those if keys.made(stage, kind) in context.selected_asset_keys)
        for stage, those in keys.STAGES.items()
    }
    if not context.selected_asset_keys:
        raise dg.Failure(
            description="Expected assets to measure, found checks alone. They are made of samples while these are "
            "measured: materialise samples/<service>.",
            allow_retries=False,
        )
    store = SampleStore(folders)
    tally = Tally(store)
    say = context.log.info if CLI_TAG not in context.run.tags else _to_terminal

    def cancelled() -> bool:
        run = context.instance.get_run_by_id(context.run.run_id)
        return run is not None and run.status is dg.DagsterRunStatus.CANCELING

    try:
        with (
            interrupted_once(dg.DagsterExecutionInterruptedError),
            _told_when_cut_short(context, folders, cancelled),
        ):
            store.check_writable()
            with only_one(cancelled=cancelled), _kept_when_interrupted(folders, store, say):
                for message in store.recover():
                    say(message)
                described = load_stack(config.stack, folders, CATALOGUE)
                options = config.options(selected, described)
                reader = Reader(described)
                with standing(described, folders, say, only=options.services) as stack:
                    roots = {
                        service.name: lifecycle.processes(folders, service.name)
                        for service in stack.services
                        if stack.managed
                    }
                    lines = lifecycle.command_lines(stack.name, folders) if stack.managed else {}
                    secret_check.remember(
                        context.run.run_id,
                        lambda: (
                            tally.baseline
                            and secret_check.Used(
                                baseline=tally.baseline,
                                secrets=secrets_of(stack, reader.used),
                                command_lines=lines,
                            )
                        ),
                    )
                    baseline = measure(
                        stack,
                        options,
                        host=host_facts(folders.data),
                        sink=tally,
                        processes=lambda service: roots.get(service, []),
                        tell=_teller(context),
                        say=say,
                        reread=reader,
                        cancelled=cancelled,
                    )
    except DevperfError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error

    try:
        with _told_when_cut_short(context, folders, cancelled):
            for problem in warehouse.build(folders).set_aside:
                say(problem)
            yield from results(context.selected_asset_keys, folders, stack, baseline, tally)
            if context.run.asset_selection and keys.REPORT not in context.run.asset_selection:
                # Whoever measures one service alone wants it in the report; nobody else in this run will render it.
                context.log_event(dg.AssetMaterialization(keys.REPORT, metadata=report_metadata(folders)))
    except DevperfError as error:
        folder = folders.samples / f"baseline_id={baseline.id}"
        raise dg.Failure(
            description=f"The baseline {baseline.id} is measured and its samples are safe in {folder}, but they could "
            f"not be shown. {error}",
            allow_retries=False,
        ) from error
    if keys.BASELINE not in context.selected_asset_keys:
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
        with suppress(StoreError):
            # The next baseline would do the same; a full disk must not hide why this one ended.
            for message in (*store.recover(), *warehouse.build(folders).set_aside):
                say(message)
        raise


@contextmanager
def _told_when_cut_short(
    context: dg.AssetExecutionContext, folders: Folders, cancelled: Callable[[], bool]
) -> Iterator[None]:
    """
    A run that ends here has no report and no check of its baseline: what it wrote until now is searched for secrets,
    and of one that somebody stopped Dagster is told that it was cancelled, not that it failed.
    """
    try:
        yield
    except (Cancelled, dg.DagsterExecutionInterruptedError, DevperfError) as cut:
        secret_check.tell_of_cut_short(
            context, folders, _to_terminal if CLI_TAG in context.run.tags else context.log.error
        )
        if isinstance(cut, DevperfError):
            raise
        if not cancelled():
            context.instance.report_run_canceling(context.run, "interrupted")
        raise dg.DagsterExecutionInterruptedError from None


def _to_terminal(message: str) -> None:
    # A terminal that was closed, a pipe that nobody reads any more: neither costs the measurement.
    with suppress(OSError):
        print(message, file=sys.stderr, flush=True)  # noqa: T201 - the command line's own progress


def _teller(context: dg.AssetExecutionContext) -> Callable[[Progress], None]:
    """Tell of progress: on the terminal of a command line each round, in the run's log now and then."""
    last = 0.0
    in_place = sys.stderr.isatty()

    def tell(progress: Progress) -> None:
        nonlocal last
        finished = progress.done == progress.of
        terminal = context.run.tags.get(CLI_TAG) == str(os.getpid())
        if terminal and in_place:
            with suppress(OSError):
                sys.stderr.write(f"\r\x1b[2K{str(progress)[:118]}" + ("\n" if finished else ""))
                sys.stderr.flush()
        elif time.monotonic() - last > TELL_EVERY_S or finished:
            last = time.monotonic()
            (_to_terminal if terminal else context.log.info)(str(progress))

    return tell
