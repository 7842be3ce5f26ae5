"""
Which graph does a stack file give?

Its own, with the services that it names and no others:
infrastructure -> samples/<service> -> baseline -> percentiles/<service> -> comparison, findings -> report
A file that cannot be read gives one asset, which says why; all others load.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from devperf_pipeline.defs import automation
from devperf_pipeline.defs.assets import MEASURED, spec
from devperf_pipeline.defs.derived import comparison, percentiles, report
from devperf_pipeline.defs.keys import Keys, identifier
from devperf_pipeline.defs.measuring import measuring
from devperf_pipeline.defs.secret_check import no_secret_leaked
from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack


def all_graphs(folders: Folders) -> dg.Definitions:
    """One graph for each file of `stacks/`, and the sensor that renews what follows from a measurement."""
    stacks: dict[str, Stack] = {}
    unreadable: dict[Path, str] = {}
    for path in sorted(folders.stacks.glob("*.toml")):
        try:
            stack = load_stack(str(path), folders, CATALOGUE, secrets=False)
        except ConfigurationError as error:
            unreadable[path] = str(error)
            continue
        first = stacks.setdefault(Keys(stack).prefix, stack)
        if first is not stack:
            unreadable[path] = (
                f"{path}: expected a name that no other stack has, found {stack.name!r}, which {first.path} is called "
                f"{'too' if first.name == stack.name else f'but for its signs ({first.name!r})'}. Give it another."
            )
    graphs = [graph(stack, folders) for stack in stacks.values()]
    graphs += _unreadable(unreadable, {*stacks}, folders)
    return dg.Definitions.merge(*graphs, dg.Definitions(sensors=[automation.renewing], executor=EXECUTOR))


EXECUTOR = dg.in_process_executor
"""One step at a time, in the process that holds the clock."""


def graph(stack: Stack, folders: Folders) -> dg.Definitions:
    """Every asset, check and job of one stack, its schedule and its sensor."""
    keys = Keys(stack)
    job = dg.define_asset_job(
        keys.job,
        selection=dg.AssetSelection.key_prefixes([stack.name]),
        description=f"Measure the stack {stack.name}, derive the tables, render the report.",
        executor_def=EXECUTOR,
    )
    return dg.Definitions(
        assets=[
            measuring(keys, folders),  # infrastructure, samples/<service> and other stages, baseline
            percentiles(keys, folders),
            comparison(keys, folders),  # comparison, findings
            report(keys, folders),
        ],
        asset_checks=[no_secret_leaked(keys, folders)],  # of the baseline, when its report is there
        jobs=[job],
        schedules=[automation.weekly(keys)],
        sensors=[automation.changed(keys, folders)],
    )


def _unreadable(files: dict[Path, str], taken: set[str], folders: Folders) -> Iterator[dg.Definitions]:
    for path, why in files.items():
        name = identifier(path.stem)
        while name in taken:
            name += "_"
        taken.add(name)
        yield dg.Definitions(assets=[_says_why(name, path, why, folders)])


def _says_why(name: str, path: Path, why: str, folders: Folders) -> dg.AssetsDefinition:
    """The one asset of a file that cannot be read."""

    @dg.multi_asset(
        name=f"{name}_unreadable",
        specs=[
            spec(
                dg.AssetKey([name, "infrastructure"]),
                group=f"{name}_cannot_be_read",  # in sight also while groups are folded
                kinds={"toml"},
                code_version=MEASURED,
                description=f"**{path.name} cannot be read**, so this stack has no graph. {why}",
            )
        ],
    )
    def read() -> None:
        """Read the file once more."""
        try:
            load_stack(str(path), folders, CATALOGUE, secrets=False)
        except ConfigurationError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        raise dg.Failure(
            f"{why} If that was repaired since, reload the definitions (Deployment, Reload): the stack gets its graph then.",
            allow_retries=False,
        )

    return read
