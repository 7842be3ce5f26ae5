"""
What is Dagster told of a run?

An asset is about a kind of service. A stack may have several APIs whose routes it names: they are told of together, each
by its name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import dagster as dg

from devperf_pipeline.defs import checks, keys
from devperf_pipeline.measure.tally import Count, Tally
from devperf_pipeline.model import Baseline, Stack, Stage
from devperf_pipeline.report.service_pages import service_panel, service_rows
from devperf_pipeline.report.stage_pages import Page, page
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse

if TYPE_CHECKING:
    from devperf_pipeline.store.warehouse import Connection


def results(
    wanted: AbstractSet[dg.AssetKey], folders: Folders, stack: Stack, baseline: Baseline, tally: Tally
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """
    Materialisations with tables and pictures, and checks, of the assets that are wanted.

    Raises:
        StoreError: the warehouse cannot answer.

    """
    if keys.INFRASTRUCTURE in wanted:
        yield dg.MaterializeResult(asset_key=keys.INFRASTRUCTURE, metadata=_infrastructure(baseline))
    asked = [kind for kind in keys.SERVICES if keys.samples(kind) in wanted]
    there = {service.kind for service in stack.services}
    con = warehouse.connect(folders)
    try:
        for kind in asked:
            if kind in there or there.isdisjoint(asked):
                yield from _samples(con, folders, stack, baseline, tally, kind=kind)
            # Otherwise: whoever asks for everything means all that the stack has.
        for stage, counts in tally.stages.items():
            for kind in keys.STAGES[stage]:
                made = [service for service in keys.members(kind, stack) if counts[service]]
                if made and keys.made(stage, kind) in wanted:
                    yield _staged(con, baseline, stage, kind, {service: counts[service] for service in made})
    finally:
        con.close()
    if keys.BASELINE in wanted:
        yield dg.MaterializeResult(
            asset_key=keys.BASELINE,
            metadata={
                "baseline": baseline.id,
                "profile": baseline.profile,
                "measured": ", ".join(name for name, state in baseline.states.items() if state == "measured")
                or "nothing",
                "dagster/row_count": sum(count.total for count in tally.services.values()),
                **{f"not measured: {service}": why for service, why in baseline.reasons.items()},
            },
        )


def _samples(
    con: "Connection", folders: Folders, stack: Stack, baseline: Baseline, tally: Tally, *, kind: str
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """The samples of one kind: materialised where any of its services was measured, with what they show, and checked."""
    counts: dict[str, Count] = {}
    missing: dict[str, str] = {}
    for service in keys.members(kind, stack):
        state = baseline.states.get(service)
        if state == "measured" and service in tally.services:
            counts[service] = tally.services[service]
        elif state:
            # One that was given up has samples of some rounds; these are kept, and are no newer measurement of it.
            missing[service] = baseline.reasons.get(service, f"{service} has nothing that could be asked.")
        elif kind not in {one.kind for one in stack.services}:
            missing[service] = f"{service} is not in the stack {stack.name!r} ({stack.path})."
    if not counts:
        yield from checks.not_measured(kind, missing)
        return
    rows = {service: service_rows(con, baseline.id, service) for service in counts}
    panels = {service: service_panel(con, baseline.id, service) for service in counts}
    trends = {service: _trend(rows[service]) for service in counts}
    yield dg.MaterializeResult(
        asset_key=keys.samples(kind),
        metadata={
            "dagster/row_count": sum(count.total for count in counts.values()),
            "dagster/uri": (folders.samples / f"baseline_id={baseline.id}" / "samples.parquet").as_uri(),
            "percentiles": dg.MetadataValue.table(_records(rows)),
            "latency": dg.MetadataValue.md(_named(panels)),
            **_drawn(trends),
        },
        check_results=list(checks.judged(kind, counts, missing)),
    )


def _staged(
    con: "Connection", baseline: Baseline, stage: Stage, kind: str, counts: Mapping[str, int]
) -> dg.MaterializeResult[Any]:
    """What another stage made of the services of one kind: what the page of a load test, of resources or of tools has."""
    pages: dict[str, Page] = {service: page(con, baseline.id, stage, service) for service in counts}
    records = _records({service: shown.rows for service, shown in pages.items()})
    panels = {service: shown.panel for service, shown in pages.items() if shown.panel}
    return dg.MaterializeResult(
        asset_key=keys.made(stage, kind),
        metadata={
            "dagster/row_count": sum(counts.values()),
            **({"measured": dg.MetadataValue.table(records)} if records else {}),
            **({"shown": dg.MetadataValue.md(_named(panels, of=len(counts)))} if panels else {}),
            **_drawn({service: shown.trend for service, shown in pages.items()}),
        },
    )


def _named(panels: Mapping[str, str], *, of: int | None = None) -> str:
    """Panels below each other, each under the name of its service where the asset is `of` several."""
    several = (of or len(panels)) > 1
    return "\n\n".join(f"**{service}**\n\n{panel}" if several else panel for service, panel in panels.items())


def _records(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dg.TableRecord]:
    """The lines of all services in one table; with a column for their names where there are several."""
    return [
        dg.TableRecord({**({"service": service} if len(rows) > 1 else {}), **row})
        for service, those in rows.items()
        for row in those
    ]


def _drawn(trends: Mapping[str, Mapping[str, float]]) -> dict[str, dg.FloatMetadataValue]:
    """The numbers that Dagster draws over time, named by their service where there are several."""
    write: Callable[[str, str], str] = (
        (lambda service, name: f"{service}: {name}") if len(trends) > 1 else (lambda _, name: name)
    )
    return {
        write(service, name): dg.MetadataValue.float(value)
        for service, trend in trends.items()
        for name, value in trend.items()
    }


def _trend(rows: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """The few numbers that Dagster draws over time: p50 and p95 of the engine's rows with one user, in milliseconds."""
    return {
        f"{quantile} ms, {row['operation']}": float(row[f"{quantile} ms"])  # type: ignore[arg-type]
        for row in rows
        if row["instrument"] == "engine" and row["users"] == 1
        for quantile in ("p50", "p95")
        if row.get(f"{quantile} ms") is not None
    }


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
        **{f"host: {key}": value for key, value in baseline.host.items()},
    }
