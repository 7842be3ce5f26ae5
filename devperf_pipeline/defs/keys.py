"""
What are the assets called?
"""

from collections.abc import Mapping

import dagster as dg

from devperf_pipeline.model import Stage
from devperf_pipeline.services import CATALOGUE

SERVICES = tuple(CATALOGUE)
STAGES: Mapping[Stage, tuple[str, ...]] = {
    "samples": SERVICES,
    "resources": SERVICES,
    "load_tests": tuple(kind.name for kind in CATALOGUE.values() if kind.load_tested),
    "tools": tuple(kind.name for kind in CATALOGUE.values() if kind.tools),
}
"""What a sitting makes of which service; each is an asset."""

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


def made(stage: Stage, service: str) -> dg.AssetKey:
    """
    The key of what one stage makes of one service.
    """
    return dg.AssetKey([stage, service])


def samples(service: str) -> dg.AssetKey:
    """
    The key of one service's samples.
    """
    return made("samples", service)


def selection(services: tuple[str, ...]) -> list[dg.AssetKey]:
    """
    Everything that a baseline of these services makes: what each stage makes of them, the tables and the report.
    """
    staged = [
        made(stage, service) for stage, those in STAGES.items() for service in those if service in services
    ]
    return [INFRASTRUCTURE, *staged, BASELINE, *TABLES, REPORT]
