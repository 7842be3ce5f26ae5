"""What do all assets have in common: owner, versions, when they are renewed, how often they are tried?"""

import datetime as dt
from typing import Any

import dagster as dg

from devperf_pipeline.model import Service
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.store.baseline_file import SCHEMA_VERSION
from devperf_pipeline.store.summaries import SUMMARY_VERSION

MEASURED = f"{SCHEMA_VERSION}"
DERIVED = f"{SCHEMA_VERSION}.{SUMMARY_VERSION}"
"""What the UI compares with the version that an asset was made by: of files, and of what is derived from them."""

RENEWED: dg.AutomationCondition[Any] = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("renewed when something before it is new")
"""
As `eager`, but for what was never measured: a service that cannot be had must not keep all others from the report, and
nothing starts by itself in a new project.
"""

RETRIES = dg.RetryPolicy(max_retries=2, delay=1)
"""Of steps that read and write the warehouse: whoever holds it for a moment costs no report. Nothing is measured twice."""

FRESH = dg.FreshnessPolicy.time_window(warn_window=dt.timedelta(days=8), fail_window=dt.timedelta(days=31))
"""A weekly baseline that was missed is worth a warning; servers of a month ago are others."""


def spec(key: dg.AssetKey, *, group: str, service: Service | None = None, **more: Any) -> dg.AssetSpec:
    """One asset of a stack; the UI finds all of a service, of a kind and of a role. `more` is what Dagster takes."""
    tags = {"devperf/stack": key.path[0]}
    if service:
        kind = CATALOGUE[service.kind]
        tags |= {"devperf/service": service.name, "devperf/kind": kind.name, "devperf/role": kind.role}
    return dg.AssetSpec(key, group_name=group, owners=["team:devperf"], tags=tags, **more)
