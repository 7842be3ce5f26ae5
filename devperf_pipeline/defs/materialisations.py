"""What is Dagster told of a run that has measured?"""

import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import dagster as dg

from devperf_pipeline.defs import checks
from devperf_pipeline.defs.keys import Keys, digest
from devperf_pipeline.measure.tally import Tally
from devperf_pipeline.model import Baseline, Service, Stage
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.host import WATCHED

FILES: dict[Stage, str] = {
    "samples": "samples.parquet",
    "load_tests": "samples.parquet",
    "resources": "resources.parquet",
    "tools": "stated.parquet",
}
"""Where in a baseline's folder a stage is kept."""


def results(
    wanted: AbstractSet[dg.AssetKey], keys: Keys, folders: Folders, baseline: Baseline, tally: Tally
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Materialisations of what was measured, of the assets that are wanted, and a failed check of what could not be."""
    folder = baseline_folder(folders, baseline.id)
    if keys.infrastructure in wanted:
        yield dg.MaterializeResult(
            asset_key=keys.infrastructure,
            metadata=_infrastructure(baseline) | {"dagster/uri": (folder / "baseline.json").as_uri()},
            data_version=_infrastructure_version(baseline, keys.stack.services),
        )
    rows = 0
    for stage, service in keys.steps():
        key = keys.made(stage, service)
        if key not in wanted:
            continue
        of = tally.services.get(service) if stage == "samples" else None
        if stage == "samples" and (of is None or baseline.states.get(service) != "measured"):
            # One that was given up has samples of some rounds; these are kept, and are no newer measurement of it.
            yield checks.measured(key, passed=False, why=_why_not(keys, baseline, service))
            continue
        count = of.total if of else tally.stages.get(stage, {}).get(service, 0)
        if not count:
            continue
        rows += count
        metadata: dict[str, Any] = {
            "dagster/row_count": count,
            "dagster/uri": (folder / FILES[stage]).as_uri(),
            "baseline": baseline.id,
        }
        verdicts: list[dg.AssetCheckResult] = []
        if of:
            metadata["benchmarks"] = len(of.calls)
            seen = [f"{count:,} calls in {len(of.calls)} benchmarks", baseline.reasons.get(service)]
            verdicts.append(checks.measured(key, passed=True, why=". ".join(filter(None, seen))))
        yield dg.MaterializeResult(
            asset_key=key,
            metadata=metadata,
            check_results=verdicts,
            data_version=dg.DataVersion(baseline.id),
        )
    if keys.baseline in wanted:
        yield hub(keys, folders, baseline, rows)


def hub(keys: Keys, folders: Folders, baseline: Baseline, rows: int) -> dg.MaterializeResult[Any]:
    """The baseline itself: what was measured together, and what was not and why."""
    return dg.MaterializeResult(
        asset_key=keys.baseline,
        metadata={
            "baseline": baseline.id,
            "profile": baseline.profile,
            "measured": ", ".join(name for name, state in baseline.states.items() if state == "measured")
            or "nothing",
            "dagster/row_count": rows,
            "dagster/uri": baseline_folder(folders, baseline.id).as_uri(),
            **{f"not measured: {service}": why for service, why in baseline.reasons.items()},
        },
        data_version=dg.DataVersion(baseline.id),
    )


def baseline_folder(folders: Folders, baseline_id: str) -> Path:
    """Where the files of a finished baseline are."""
    return folders.samples / f"baseline_id={baseline_id}"


def _why_not(keys: Keys, baseline: Baseline, service: str) -> str:
    if service in baseline.states:
        return baseline.reasons.get(service, f"{service} has nothing that could be asked.")
    return f"{service} is not in the stack {keys.stack.name!r} ({keys.stack.path}) any more."


def _infrastructure(baseline: Baseline) -> dict[str, Any]:
    services = [
        dg.TableRecord(
            {
                "service": name,
                "what runs": facts.product,
                "version": facts.version,
                "settings": ", ".join(f"{key}={value}" for key, value in facts.settings.items()),
            }
        )
        for name, facts in baseline.facts.items()
    ]
    return {
        "services": dg.MetadataValue.table(services) if services else "no service answered",
        "dagster/row_count": len(services),
        **{f"host: {key}": value for key, value in baseline.host.items()},
    }


def _infrastructure_version(baseline: Baseline, services: tuple[Service, ...]) -> dg.DataVersion:
    """The same as long as the machine and the settings of all services are: samples of others are no older then."""
    told = [
        {key: value for key, value in baseline.host.items() if key in WATCHED},
        [[one.name, one.kind, dict(one.settings), one.routes] for one in services],
    ]
    return dg.DataVersion(digest(json.dumps(told, sort_keys=True)))
