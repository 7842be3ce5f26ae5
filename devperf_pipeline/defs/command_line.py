"""How does the command line run the same job on the same instance as the UI?"""

import fcntl
import json
import os
import warnings
from pathlib import Path

import dagster as dg
import psutil

from devperf_pipeline.defs.graph import graph
from devperf_pipeline.defs.keys import Keys
from devperf_pipeline.defs.measuring import CLI_TAG
from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.model import Stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.private_folders import make_folder

LOCATION = "devperf_pipeline"
"""The name of the code location, as in workspace.yaml: schedules that were turned on are remembered by it."""

REPOSITORY_TAG = ".dagster/repository"
"""By this tag the UI knows that a run is one of our job's, and lists it there."""


def prepare_home(folders: Folders) -> None:
    """
    Make the project's DAGSTER_HOME and open it once.

    Two processes that open a fresh home at the same moment can break it for good, so it is opened here first.

    Raises:
        ConfigurationError: the folder cannot be made or written to.

    """
    home = folders.dagster_home
    make_folder(home)
    settings = (Path(__file__).parents[2] / "dagster.yaml").read_text(encoding="utf-8")
    with (home / ".preparing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # As seen from the project's folder there, for `dagster dev` in it; from any folder here.
        (home / "dagster.yaml").write_text(
            settings.replace(f"base_dir: {home.name}", f"base_dir: {json.dumps(str(home))}"), encoding="utf-8"
        )
        os.environ["DAGSTER_HOME"] = str(home)
        with dg.DagsterInstance.get():
            pass


def fail_dead_runs(instance: dg.DagsterInstance) -> None:
    """Report runs of killed command lines as failed: nobody else would, and the queue would wait for them for ever."""
    alive = [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    for record in instance.get_run_records(dg.RunsFilter(statuses=alive)):
        run = record.dagster_run
        # One that the UI executes again has the tags of the first, and works in a process of the UI's.
        pid = None if run.parent_run_id else run.tags.get(CLI_TAG)
        if pid is not None and not _is_its_process(int(pid), record.create_timestamp.timestamp()):
            instance.report_run_failed(run, "its process is gone")


def _is_its_process(pid: int, run_created: float) -> bool:
    try:
        return psutil.Process(pid).create_time() <= run_created
    except psutil.NoSuchProcess:
        return False


def run_baseline(
    folders: Folders, stack: Stack, *, profile: str, services: tuple[str, ...], seconds: float
) -> None:
    """
    Measure, derive, render: the job of the stack's own graph, in this process, visible in the UI.

    Raises:
        MeasurementError: the run failed; the message is the one of the step.
        KeyboardInterrupt: it was interrupted; what was measured is kept.

    """
    prepare_home(folders)
    keys = Keys(stack)
    with dg.DagsterInstance.get() as instance, warnings.catch_warnings():
        fail_dead_runs(instance)
        try:
            graph(stack, folders).resolve_job_def(keys.job).execute_in_process(
                instance=instance,
                asset_selection=keys.selection(services or [service.name for service in stack.services]),
                run_config={
                    "ops": {keys.step: {"config": {"profile": profile, "seconds": seconds}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                tags={CLI_TAG: str(os.getpid()), REPOSITORY_TAG: f"__repository__@{LOCATION}"},
            )
        except dg.Failure as failure:
            raise MeasurementError(failure.description or "the run failed without a word") from failure
        except dg.DagsterError as exceeded:
            # A step that was tried again in vain: what it said the last time is in its event alone.
            raise MeasurementError(_last_failure(instance) or str(exceeded)) from exceeded
        except dg.DagsterExecutionInterruptedError:
            raise KeyboardInterrupt from None


def _last_failure(instance: dg.DagsterInstance) -> str | None:
    """What the failed step of the newest run says."""
    [run] = instance.get_runs(limit=1)
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        data = entry.dagster_event and entry.dagster_event.step_failure_data.user_failure_data
        if data and data.description:
            return data.description
    return None
