"""What are the assets called?"""

from collections.abc import Mapping

import dagster as dg

from devperf_pipeline.model import Stack, Stage
from devperf_pipeline.services import CATALOGUE, kind_of

SERVICES = tuple(CATALOGUE)
STAGES: Mapping[Stage, tuple[str, ...]] = {
    "samples": SERVICES,
    "resources": SERVICES,
    "load_tests": tuple(kind.name for kind in CATALOGUE.values() if kind.load_tested),
    "tools": tuple(kind.name for kind in CATALOGUE.values() if kind.tools),
}
"""What a run makes of which kind of service; each is an asset."""

INFRASTRUCTURE = dg.AssetKey("infrastructure")
BASELINE = dg.AssetKey("baseline")
TABLES = tuple(
    dg.AssetKey(name)
    for name in (
        "baselines",
        "rounds",
        "percentiles",
        "load_tests",
        "knees",
        "resources",
        "memory_per_request",
    )
)
REPORT = dg.AssetKey(["reports", "baseline"])


def made(stage: Stage, kind: str) -> dg.AssetKey:
    """The key of what one stage makes of one kind of service."""
    return dg.AssetKey([stage, kind])


def samples(kind: str) -> dg.AssetKey:
    """The key of one kind of service's samples."""
    return made("samples", kind)


def selection(services: tuple[str, ...]) -> list[dg.AssetKey]:
    """Everything that a baseline of these services makes: what each stage makes of them, the tables and the report."""
    kinds = {kind.name for kind in map(kind_of, services) if kind}
    staged = [made(stage, kind) for stage, those in STAGES.items() for kind in those if kind in kinds]
    return [INFRASTRUCTURE, *staged, BASELINE, *TABLES, REPORT]


def members(kind: str, stack: Stack) -> tuple[str, ...]:
    """The names of the services that an asset is about in that stack; the kind's own where it has none."""
    return tuple(service.name for service in stack.services if service.kind == kind) or (kind,)
