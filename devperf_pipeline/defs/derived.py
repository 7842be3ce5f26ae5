"""
What follows from a baseline? Percentiles of each service, what changed, what was found, and the report.

The first step builds the warehouse, once a run; all others read it. Nothing here depends on a single service's samples:
one that could not be measured costs nobody else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg

from devperf_pipeline.defs import checks
from devperf_pipeline.defs.assets import DERIVED, RENEWED, RETRIES, spec
from devperf_pipeline.defs.keys import Keys
from devperf_pipeline.defs.materialisations import baseline_folder
from devperf_pipeline.errors import DevperfError
from devperf_pipeline.model import Stage
from devperf_pipeline.report.asset_pages import (
    Page,
    comparison_page,
    findings_page,
    report_panel,
    report_picture,
    service_pages,
)
from devperf_pipeline.report.loaded import load
from devperf_pipeline.report.render import write_pages
from devperf_pipeline.services import title_of
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse

TABLES: dict[Stage, str] = {
    "samples": "percentiles",
    "load_tests": "under sustained load",
    "resources": "resources",
    "tools": "reference tools",
}
"""What the tables of a service's page are called."""

PANELS: dict[Stage, str] = {
    "samples": "latency",
    "load_tests": "throughput by users",
    "resources": "memory per request",
}

_spec = partial(spec, code_version=DERIVED, automation_condition=RENEWED)


def percentiles(keys: Keys, folders: Folders) -> dg.AssetsDefinition:
    """The step that builds the warehouse and shows what it has of each service."""
    services = [service.name for service in keys.stack.services]

    @dg.multi_asset(
        name=f"{keys.prefix}_percentiles",
        can_subset=True,
        specs=[
            _spec(
                keys.percentiles(name),
                group=f"{keys.prefix}/percentiles",
                deps=[keys.baseline],
                kinds={"duckdb", "sql"},
                service=keys.stack.service(name),
                description=f"How fast {title_of(name)} is: exact percentiles over all calls of its last baseline.",
            )
            for name in services
        ],
        check_specs=[one for name in services for one in checks.specs(keys.percentiles(name))],
        retry_policy=RETRIES,
    )
    def derive(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Build data/devperf.duckdb beside the old one, put it in its place, and read it."""
        with _failing(context, keys, folders):
            for problem in warehouse.build(folders).said:
                context.log.warning(problem)
            with load(folders, stack=keys.stack.name) as view:
                pages = service_pages(view)
                for name in services:
                    key = keys.percentiles(name)
                    judged = [
                        one
                        for one in checks.judged(key, name, view)
                        if dg.AssetCheckKey(key, one.check_name or "") in context.selected_asset_check_keys
                    ]
                    if key not in context.selected_asset_keys:
                        yield from judged
                        continue
                    yield dg.MaterializeResult(
                        asset_key=key,
                        metadata=_of_service(pages.get(name, {}), folders),
                        check_results=judged,
                    )

    return derive


def comparison(keys: Keys, folders: Folders) -> dg.AssetsDefinition:
    """The step that says what changed and what was found."""

    def one(key: dg.AssetKey, description: str) -> dg.AssetSpec:
        return _spec(
            key,
            group=f"{keys.prefix}/findings",
            deps=[keys.percentiles(service.name) for service in keys.stack.services],
            kinds={"duckdb", "sql"},
            description=description,
        )

    @dg.multi_asset(
        name=f"{keys.prefix}_comparison",
        can_subset=True,
        specs=[
            one(
                keys.comparison,
                "What is slower or faster than in the reference, and all baselines of the stack.",
            ),
            one(
                keys.findings, "Bottlenecks and costs that the rows show, each with its impact and a remedy."
            ),
        ],
        retry_policy=RETRIES,
    )
    def compare(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Ask the warehouse what changed since the reference, and what slows the stack down."""
        with _failing(context, keys, folders), load(folders, stack=keys.stack.name) as view:
            if keys.comparison in context.selected_asset_keys:
                yield _of_page(keys.comparison, comparison_page(view), folders, "changed")
            if keys.findings in context.selected_asset_keys:
                yield _of_page(keys.findings, findings_page(view), folders, "open")

    return compare


def report(keys: Keys, folders: Folders) -> dg.AssetsDefinition:
    """The step that renders."""

    @dg.multi_asset(
        name=f"{keys.prefix}_report",
        specs=[
            _spec(
                keys.report,
                group=f"{keys.prefix}/report",
                deps=[keys.comparison, keys.findings],
                kinds={"markdown", "duckdb"},
                description="The baseline report: what was measured, on what, how fast, how sure, and what could not be measured.",
            )
        ],
        retry_policy=RETRIES,
    )
    def write(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Render the newest baseline of the stack as Markdown and HTML."""
        with _failing(context, keys, folders), load(folders, stack=keys.stack.name) as view:
            rendered = write_pages(folders, view)
            yield dg.MaterializeResult(
                asset_key=keys.report,
                metadata={
                    "baseline": view.run.baseline_id,
                    "report": dg.MetadataValue.path(str(rendered.report)),
                    "latest": dg.MetadataValue.path(str(rendered.latest)),
                    "html": dg.MetadataValue.path(str(rendered.report.with_suffix(".html"))),
                    "dagster/uri": rendered.report.as_uri(),
                    "dagster/row_count": sum(len(part.new) for part in view.parts),
                    "charts": len(rendered.charts),
                    "picture": dg.MetadataValue.md(report_picture(view)),
                    "text": dg.MetadataValue.md(report_panel(rendered.report.read_text(encoding="utf-8"))),
                },
            )

    return write


@contextmanager
def _failing(context: dg.AssetExecutionContext, keys: Keys, folders: Folders) -> Iterator[None]:
    """Our errors as Dagster's, with where the samples are that could not be shown; what a lock may cause is tried again."""
    try:
        yield
    except DevperfError as error:
        safe = ""
        event = context.instance.get_latest_materialization_event(keys.baseline)
        if event and event.asset_materialization:
            newest = str(event.asset_materialization.metadata["baseline"].value)
            safe = (
                f"The baseline {newest} is measured and its samples are safe in {baseline_folder(folders, newest)}, but "
                "they could not be shown. "
            )
        raise dg.Failure(f"{safe}{error}", allow_retries=_may_pass(error)) from error


def _may_pass(error: DevperfError) -> bool:
    """Whether somebody else held a file for a moment."""
    return isinstance(error.__cause__, BlockingIOError) or "Could not set lock" in str(error.__cause__)


def _of_service(pages: dict[Stage, Page], folders: Folders) -> dict[str, Any]:
    """Tables, pictures and numbers over time of all stages of a service."""
    metadata: dict[str, Any] = {"dagster/row_count": 0, "dagster/uri": folders.warehouse.as_uri()}
    if "samples" not in pages:
        return metadata | {"percentiles": "never measured"}
    metadata["dagster/row_count"] = len(pages["samples"].rows)
    for stage, page in pages.items():
        if page.note:
            metadata[f"age of {TABLES[stage]}"] = page.note
        metadata |= _table(TABLES[stage], page)
        if page.panel:
            metadata[PANELS[stage]] = dg.MetadataValue.md(page.panel)
        metadata |= {name: dg.MetadataValue.float(value) for name, value in page.trend.items()}
    return metadata


def _of_page(key: dg.AssetKey, page: Page, folders: Folders, name: str) -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(
        asset_key=key,
        metadata={
            "dagster/row_count": len(page.rows),
            **_table(name, page),
            "text": dg.MetadataValue.md(page.panel),
            "dagster/uri": folders.warehouse.as_uri(),
        },
    )


def _table(name: str, page: Page) -> dict[str, Any]:
    """The table of a page; nothing where it has no rows."""
    records = [dg.TableRecord(dict(row)) for row in page.rows]
    return {name: dg.MetadataValue.table(records)} if records else {}
