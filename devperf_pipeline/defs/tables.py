"""What happens when the tables are materialised? The warehouse is derived from all samples anew."""

from collections.abc import Iterator

import dagster as dg

from devperf_pipeline.defs import keys
from devperf_pipeline.defs.project import Project
from devperf_pipeline.errors import DevperfError
from devperf_pipeline.report.service_pages import table_panel
from devperf_pipeline.store import warehouse

ABOUT = {
    "baselines": "One row a run: when, which stack and profile, how many samples.",
    "rounds": "One row a round of a benchmark: its percentiles, where it ran, what else was going on.",
    "percentiles": "One row a benchmark of a baseline: exact percentiles over all its calls, and whether it is valid.",
    "load_tests": "One row a sustained load: throughput, the ladder of percentiles, failures, and whether it is valid.",
    "knees": "One row a sustained operation: from how many users on more of them only wait longer.",
    "resources": "One row a service, phase and load: CPU, memory, disk and network of everything that runs.",
    "memory_per_request": "One row a service and measure: how memory grows with requests under way, if that can be told.",
}


@dg.multi_asset(
    name="tables",
    specs=[
        dg.AssetSpec(
            key, group_name="tables", deps=[keys.BASELINE], kinds={"duckdb", "sql"}, description=ABOUT[name]
        )
        for key in keys.TABLES
        for name in [key.to_user_string()]
    ],
)
def tables(project: Project) -> Iterator[dg.MaterializeResult]:
    """Build data/devperf.duckdb beside the old one and put it in its place."""
    folders = project.folders
    try:
        built = warehouse.build(folders)
        con = warehouse.connect(folders)
    except DevperfError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    try:
        counts = warehouse.row_counts(con)
        panels = {key: table_panel(con, key.to_user_string()) for key in keys.TABLES}
    finally:
        con.close()
    for key in keys.TABLES:
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "dagster/row_count": counts[key.to_user_string()],
                "dagster/uri": folders.warehouse.as_uri(),
                "samples": built.samples,
                "set aside": "; ".join(built.said) or "nothing",
                **({"newest baseline": dg.MetadataValue.md(panels[key])} if panels[key] else {}),
            },
        )
