"""
When are baselines measured again without anybody asking?

Every Sunday night, and when the infrastructure changed: a version, a setting, the machine. Both are there for each
stack, and off until they are turned on in the UI. What follows from samples is renewed without being turned on.
"""

import datetime as dt
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from devperf_pipeline.defs.keys import Keys, digest
from devperf_pipeline.errors import DevperfError, ServiceError
from devperf_pipeline.local import lifecycle
from devperf_pipeline.measure.containers import Containers
from devperf_pipeline.model import Stack
from devperf_pipeline.services import CATALOGUE, as_reached
from devperf_pipeline.stack.credentials import with_credentials
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.host import WATCHED, host_facts
from devperf_pipeline.stack.stack_file import load_stack

LATE = dt.timedelta(minutes=30)
SETTLE_S = 60
BUSY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
renewing = dg.AutomationConditionSensorDefinition(
    "renewing",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Baseline, percentiles, findings and report after samples that were materialised alone.",
)


def weekly(keys: Keys) -> dg.ScheduleDefinition:
    """A baseline of everything, Sundays at 03:00 UTC; one that is due while the machine sleeps is not made up for."""

    @dg.schedule(
        name=f"{keys.prefix}_weekly",
        job_name=keys.job,
        cron_schedule="0 3 * * 0",
        execution_timezone="UTC",
        description=weekly.__doc__,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    def due(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        late = dt.datetime.now(dt.UTC) - context.scheduled_execution_time
        if late > LATE:
            return dg.SkipReason(f"missed: it was due {late} ago, and the machine may be in use now")
        return dg.RunRequest(tags={"dagster/max_runtime": str(3600)})

    return due


def fingerprints(stack: Stack, folders: Folders) -> dict[str, str]:
    """
    One fingerprint for each service that can be told: its version, settings, and the machine it is on.

    Servers that this project starts are told by their binaries and stack file, without starting anything; others
    are asked. One that does not answer has no fingerprint: nothing is known, so nothing has changed.
    """
    host = {key: value for key, value in host_facts(folders.data).items() if key in WATCHED}
    seen: Mapping[str, object] = lifecycle.would_run(stack) if stack.managed else dict(_asked(stack))
    return {
        service: digest(json.dumps([host, facts], sort_keys=True, default=str))
        for service, facts in seen.items()
    }


def _asked(stack: Stack) -> Iterable[tuple[str, object]]:
    containers = Containers(stack, {})
    for service in with_credentials(stack).services:
        try:
            session = CATALOGUE[service.kind].open_session(service)
        except ServiceError:
            continue
        try:
            facts = as_reached(service, session.facts())
            settings = {**facts.settings, **containers.facts(service.name)}
            yield service.name, [facts.product, facts.version, settings]
        except (ServiceError, OSError, *session.exceptions):
            continue
        finally:
            session.close()


def changed_since(
    state: dict[str, Any], current: Mapping[str, str], now: float, *, settle_s: float
) -> tuple[list[str], bool]:
    """
    The services that changed since a baseline was last asked for, and whether they have settled.

    `state` is the sensor's cursor: `seen` maps a service to [fingerprint, since], `asked` to the fingerprint
    that was last measured. A service that is seen for the first time is remembered, not measured.
    """
    for service, fingerprint in current.items():
        if state["seen"].get(service, [None])[0] != fingerprint:
            state["seen"][service] = [fingerprint, now]
        state["asked"].setdefault(service, fingerprint)
    changed = [service for service, fingerprint in current.items() if state["asked"][service] != fingerprint]
    return changed, all(now - state["seen"][service][1] >= settle_s for service in changed)


def changed(keys: Keys, folders: Folders) -> dg.SensorDefinition:
    """A baseline of the services whose version, settings or machine changed, once the change has settled."""

    @dg.sensor(
        name=f"{keys.prefix}_changed",
        job_name=keys.job,
        minimum_interval_seconds=30,
        description=changed.__doc__,
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        state = json.loads(context.cursor) if context.cursor else {"seen": {}, "asked": {}}
        try:
            current = fingerprints(load_stack(str(keys.stack.path), folders, CATALOGUE), folders)
        except DevperfError as error:
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
        new, settled = changed_since(state, current, time.time(), settle_s=SETTLE_S)
        why = "" if new else "nothing changed"
        if not settled:
            why = f"settling: {', '.join(new)}"
        elif new and context.instance.get_runs(dg.RunsFilter(statuses=BUSY), limit=1):
            why = f"a run is in progress; then: {', '.join(new)}"
        if why:
            return dg.SensorResult(skip_reason=why, cursor=json.dumps(state))
        key = json.dumps([(service, *state["seen"][service]) for service in sorted(new)])
        state["asked"].update({service: current[service] for service in new})
        request = dg.RunRequest(
            run_key=digest(key),
            asset_selection=keys.selection(new),
            tags={"devperf/changed": ".".join(new)[:63], "dagster/max_runtime": str(3600)},
        )
        return dg.SensorResult(cursor=json.dumps(state), run_requests=[request])

    return look
